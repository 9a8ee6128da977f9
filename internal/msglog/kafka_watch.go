package msglog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// kafkaTimes are how long what is patient; one value, so that a test need not wait.
type kafkaTimes struct {
	watch    time.Duration // between two looks at the topic
	settings time.Duration // between two looks at its settings
	refuse   time.Duration // without a success while one waits, appends are refused
	replace  time.Duration // then the producer is replaced
}

// designTimes are those of DESIGN.md §4.
var designTimes = kafkaTimes{watch: time.Second, settings: 15 * time.Second, refuse: 5 * time.Second, replace: 30 * time.Second}

// leaders says which broker has which partition.
type leaders struct {
	of []int32 // -1: nobody
	at time.Time
}

// leader gives the broker that has a partition; false: nobody knows.
func (k *Kafka) leader(p int) (int32, bool) {
	l := k.map_.Load()
	if l == nil || p >= len(l.of) || l.of[p] < 0 {
		return 0, false
	}
	return l.of[p], true
}

func (k *Kafka) setLeaders(t kadm.TopicDetail) {
	l := &leaders{of: make([]int32, k.partitions), at: time.Now()}
	for i := range l.of {
		l.of[i] = -1
		if p, ok := t.Partitions[int32(i)]; ok && p.Leader >= 0 {
			l.of[i] = p.Leader
		}
	}
	k.map_.Store(l)
}

// kafkaState is what is known of the brokers and the topic: nil is well.
type kafkaState struct {
	mu     sync.Mutex
	broken error // the topic is not the one it was, or not for this version: for this process, that does not mend
	away   error // the brokers do not answer, or do not know the topic
	since  time.Time
}

// problem says why nothing can be asked or written now.
func (s *kafkaState) problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	return s.away
}

// stop keeps the first thing that does not mend for this process; the watch logs it.
func (s *kafkaState) stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = err
	}
}

// Problem says in a sentence why appends are refused, as far as is known without asking.
func (k *Kafka) Problem() error {
	if err := k.state.problem(); err != nil {
		return err
	}
	if err := k.refusals.current(); err != nil {
		return err
	}
	if p, silent := k.stuck(k.opt.times.refuse); silent > 0 {
		return fmt.Errorf("Kafka has acknowledged nothing in partition %d of %s for %d s", p, k.topic, int(silent.Seconds()))
	}
	return nil
}

// watch looks once a second whether the brokers answer and the topic is the one it was, and whether the producer is stuck.
func (k *Kafka) watch() {
	tick := time.NewTicker(k.opt.times.watch)
	defer tick.Stop()
	settings, said := time.Now(), ""
	for {
		select {
		case <-k.life.Done():
			return
		case <-tick.C:
		}
		k.look()
		if _, silent := k.stuck(k.opt.times.replace); silent > 0 {
			k.replaceProducer(silent)
		}
		if time.Since(settings) > k.opt.times.settings && k.state.problem() == nil {
			settings = time.Now()
			said = k.lookAtSettings(said)
		}
	}
}

// How often the watch asks for the topic, and how long it waits for an answer before it asks again: a broker that hangs does not speak for the
// others. The client goes round among brokers that do not answer, with one of --log in between, so that among four there are two.
const (
	lookAsks = 4
	lookNext = askWithin / 5
)

// ask describes the topic as the first broker that answers knows it, or any other if that one knows of none.
func (k *Kafka) ask(ctx context.Context) (topic kadm.TopicDetail, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	type answer struct {
		topic kadm.TopicDetail
		err   error
	}
	answers := make(chan answer, lookAsks)
	next := time.NewTimer(0)
	defer next.Stop()
	for asked, out := 0, 0; asked < lookAsks || out > 0; {
		select {
		case <-next.C:
			if asked < lookAsks {
				asked, out = asked+1, out+1
				go func() {
					topic, err := k.describe(ctx)
					answers <- answer{topic, err}
				}()
				next.Reset(lookNext)
			}
		case a := <-answers:
			var broker *kerr.Error
			if out--; a.err == nil || errors.As(a.err, &broker) {
				return a.topic, a.err
			}
			err = a.err
			next.Reset(0)
		}
	}
	return topic, err
}

// look asks for the topic.
func (k *Kafka) look() {
	topic, err := k.ask(k.life)
	if k.life.Err() != nil {
		return
	}
	s := &k.state
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.away
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		s.away = fmt.Errorf("Kafka has no topic %s any more", k.topic)
	case err != nil:
		s.away = fmt.Errorf("Kafka at %s does not answer: %w", k.opt, err)
	case topic.ID != k.topicID:
		s.broken = fmt.Errorf("the topic %s was deleted and made anew: it is another log now; put the old one back, or begin a new generation with hubbub log next", k.topic)
	case len(topic.Partitions) != k.partitions:
		s.broken = fmt.Errorf("the topic %s had %d partitions when this node started, but has %d now: rooms would change their places; begin a new generation with hubbub log next",
			k.topic, k.partitions, len(topic.Partitions))
	default:
		s.away = nil
		k.setLeaders(topic)
	}
	switch {
	case s.broken != nil && s.since.IsZero():
		s.since = time.Now()
		k.log.Error("the log is not what it was; appends are refused", "reason", s.broken)
	case was == nil && s.away != nil:
		k.log.Warn("the log is away", "reason", s.away)
	case was != nil && s.away == nil:
		k.log.Info("the log is back", "topic", k.topic)
	}
}

// lookAtSettings puts right what somebody has changed for the worse while the node runs, as a start does: Kafka itself acts on a new setting
// only after minutes. What can not be put right counts as wrong. said is what was logged the last time, so that it is said once.
func (k *Kafka) lookAtSettings(said string) string {
	ctx, cancel := context.WithTimeout(k.life, 2*askWithin)
	defer cancel()
	conf, err := k.config(ctx)
	if err != nil {
		return said
	}
	wrong, thin := missets(conf), k.thin(conf)
	text := strings.Join(append(texts(wrong), thin...), "; ")
	say := text != "" && text != said
	if say {
		k.log.Warn("the topic's settings were changed so that it could lose messages", "topic", k.topic, "wrong", text)
	}
	if len(wrong) > 0 {
		if err := k.putRight(ctx, wrong); err != nil && say {
			k.log.Error("the topic's settings could not be put right: do so yourself", "topic", k.topic, "error", err)
		} else if err == nil && say {
			k.log.Info("the topic's settings are put right", "topic", k.topic)
		}
		if conf, err = k.config(ctx); err != nil {
			return text
		}
		wrong = missets(conf)
	}
	k.learnLimit(conf)
	k.stats.wrong.Store(int64(len(wrong) + len(thin)))
	return text
}

// thin says that fewer brokers than promised may have what is acknowledged. No node puts that right: it could stop all appends.
func (k *Kafka) thin(conf map[string]string) []string {
	if n, err := strconv.Atoi(conf["min.insync.replicas"]); err == nil && n < 2 && !k.opt.AllowSingleBroker {
		return []string{fmt.Sprintf("min.insync.replicas is %d: an acknowledged message may be on one broker alone; set it to 2", n)}
	}
	return nil
}

// refresh asks anew who leads what, at most ten times a second.
func (k *Kafka) refresh(ctx context.Context) {
	if l := k.map_.Load(); l != nil && time.Since(l.at) < 100*time.Millisecond {
		return
	}
	if topic, err := k.ask(ctx); err == nil && topic.ID == k.topicID {
		k.setLeaders(topic)
	}
}

// refused is what an append is answered with that is not tried.
func refused(err error) error { return fmt.Errorf("append to Kafka: %w: %w", chat.ErrUnavailable, err) }
