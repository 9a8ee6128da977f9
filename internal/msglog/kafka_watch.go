package msglog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const (
	watchEvery    = time.Second
	settingsEvery = 15 * time.Second
	refuseAfter   = 5 * time.Second  // without a success while one waits, appends are refused
	replaceAfter  = 30 * time.Second // then the producer is replaced
)

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
	if p, silent := k.stuck(refuseAfter); silent > 0 {
		return fmt.Errorf("Kafka has acknowledged nothing in partition %d of %s for %d s", p, k.topic, int(silent.Seconds()))
	}
	return nil
}

// watch looks once a second whether the brokers answer and the topic is the one it was, and whether the producer is stuck.
func (k *Kafka) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	settings := time.Now()
	for {
		select {
		case <-k.life.Done():
			return
		case <-tick.C:
		}
		k.look()
		if _, silent := k.stuck(replaceAfter); silent > 0 {
			k.replaceProducer(silent)
		}
		if time.Since(settings) > settingsEvery && k.state.problem() == nil {
			settings = time.Now()
			k.lookAtSettings()
		}
	}
}

// look asks for the topic. One answer that does not come may be chance; the second is an outage.
func (k *Kafka) look() {
	ctx, cancel := context.WithTimeout(k.life, askWithin)
	defer cancel()
	topic, err := k.describe(ctx)
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

// lookAtSettings says once for each change what somebody has changed for the worse while the node runs.
func (k *Kafka) lookAtSettings() {
	ctx, cancel := context.WithTimeout(k.life, 2*askWithin)
	defer cancel()
	if conf, err := k.config(ctx); err == nil {
		k.learnLimit(conf)
	}
	wrong, err := k.Wrong(ctx)
	if err != nil {
		return
	}
	k.stats.wrong.Store(int64(len(wrong)))
	for _, w := range wrong {
		k.log.Warn("a setting of the topic could lose messages", "topic", k.topic, "wrong", w)
	}
}

// refresh asks anew who leads what, at most ten times a second.
func (k *Kafka) refresh(ctx context.Context) {
	if l := k.map_.Load(); l != nil && time.Since(l.at) < 100*time.Millisecond {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if topic, err := k.describe(ctx); err == nil && topic.ID == k.topicID {
		k.setLeaders(topic)
	}
}

// refused is what an append is answered with that is not tried.
func refused(err error) error { return fmt.Errorf("append to Kafka: %w: %w", chat.ErrUnavailable, err) }
