package msglog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const (
	sessionTimeout = 6 * time.Second // the least that brokers take by default: what a dead node read goes elsewhere
	heartbeat      = 1500 * time.Millisecond
	rebalanceWait  = 15 * time.Second
	leaveWithin    = 2 * time.Second
	commitEvery    = time.Second
)

// kafkaMember is one caller of Join. Its client is a member of Kafka's consumer group, from which it learns which partitions are its own; it
// reads them with requests of its own, so that where it reads from, and what is paused, are nobody else's decision.
type kafkaMember struct {
	k       *Kafka
	group   string
	handler chat.Handler
	cl      *kgo.Client
	begun   chan struct{} // closed once cl is there: the group may decide before NewClient has returned
	ctx     context.Context
	leave   context.CancelCauseFunc
	unready unready

	mu       sync.Mutex
	sessions map[int]*kafkaSession
	brokers  map[int32]bool // those that a loop reads from
	wake     chan struct{}  // closed and replaced when there is something new to read
	tasks    sync.WaitGroup
}

// Join implements chat.Log. A Mark of Begin that the log can not follow ends it, with ErrTrimmed or ErrRewound: reading on from elsewhere
// would skip what nobody has seen. A closed log ends it with ErrUnavailable. The commits are for tools that show a lag: where to read on is
// Begin's word alone.
func (k *Kafka) Join(ctx context.Context, group string, h chat.Handler) error {
	if !k.enter() {
		return fmt.Errorf("join %s: %w: the log is closed", group, chat.ErrUnavailable)
	}
	defer k.joins.Done()
	m := &kafkaMember{k: k, group: group, handler: h, sessions: map[int]*kafkaSession{}, brokers: map[int32]bool{}, begun: make(chan struct{}), wake: make(chan struct{})}
	m.ctx, m.leave = context.WithCancelCause(ctx)
	defer m.leave(nil)
	var err error
	m.cl, err = kgo.NewClient(append(k.base(), kgo.AlwaysRetryEOF(), kgo.ConsumerGroup(group), kgo.ConsumeTopics(k.topic), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(sessionTimeout), kgo.HeartbeatInterval(heartbeat), kgo.RebalanceTimeout(rebalanceWait), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(m.assigned), kgo.OnPartitionsRevoked(m.revoked), kgo.OnPartitionsLost(m.revoked))...)
	if err != nil {
		return fmt.Errorf("join %s: %w: %w", group, chat.ErrUnavailable, err)
	}
	m.cl.PauseFetchTopics(k.topic)
	close(m.begun)
	m.tasks.Go(m.commit)
	select {
	case <-k.life.Done():
		err = fmt.Errorf("join %s: %w: the log is closed", group, chat.ErrUnavailable)
		m.leave(err)
	case <-m.ctx.Done():
		if ctx.Err() == nil {
			err = fmt.Errorf("join %s: %w", group, context.Cause(m.ctx))
		}
	}
	m.stop()
	return err
}

// enter counts a Join in; false: the log is closed, and Close waits for nobody any more.
func (k *Kafka) enter() bool {
	k.joining.Lock()
	defer k.joining.Unlock()
	if k.life.Err() != nil {
		return false
	}
	k.joins.Add(1)
	return true
}

// stop ends all sessions and leaves the group, so that the others take over at once.
func (m *kafkaMember) stop() {
	m.end(m.held())
	m.tasks.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	_ = m.cl.LeaveGroupContext(ctx)
	m.cl.CloseAllowingRebalance()
	m.end(m.held()) // what was assigned in the last moment
}

func (m *kafkaMember) held() (ps []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.sessions {
		ps = append(ps, int32(p))
	}
	return ps
}

// assigned begins a session for each partition; the client calls it when the group has decided.
func (m *kafkaMember) assigned(_ context.Context, cl *kgo.Client, by map[string][]int32) {
	<-m.begun
	cl.PauseFetchPartitions(by) // this client itself reads nothing
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range by[m.k.topic] {
		if m.ctx.Err() != nil || m.sessions[int(p)] != nil || int(p) >= m.k.partitions {
			continue
		}
		s := newKafkaSession(m, int(p))
		m.sessions[int(p)] = s
		go s.run()
	}
}

// revoked returns when nothing of the partitions runs any more: the group may then give them to another.
func (m *kafkaMember) revoked(_ context.Context, _ *kgo.Client, by map[string][]int32) {
	m.end(by[m.k.topic])
}

func (m *kafkaMember) end(ps []int32) {
	var ending []*kafkaSession
	m.mu.Lock()
	for _, p := range ps {
		if s := m.sessions[int(p)]; s != nil {
			ending = append(ending, s)
			s.cancel()
		}
	}
	m.mu.Unlock()
	for _, s := range ending {
		<-s.ended
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range ending {
		if m.sessions[s.p] == s {
			delete(m.sessions, s.p)
		}
	}
}

// commit tells Kafka once a second how far the handlers are. It also looks whether each partition has its reader: that a leader has changed
// may have been learnt elsewhere, by the watch or a Tail, while nobody here asked the old one.
func (m *kafkaMember) commit() {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		m.moved()
		offsets := map[int32]kgo.EpochOffset{}
		m.mu.Lock()
		for p, s := range m.sessions {
			if at, ok := s.progress(); ok {
				offsets[int32(p)] = kgo.EpochOffset{Epoch: at.epoch, Offset: at.next}
			}
		}
		m.mu.Unlock()
		if len(offsets) > 0 {
			m.cl.CommitOffsets(m.ctx, map[string]map[int32]kgo.EpochOffset{m.k.topic: offsets}, nil)
		}
	}
}

// nudge says that there is something new to read.
func (m *kafkaMember) nudge() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.wake)
	m.wake = make(chan struct{})
}

// attend sees to it that somebody reads from the broker that leads a partition.
func (m *kafkaMember) attend(p int) {
	leader, ok := m.k.leader(p)
	if !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.brokers[leader] && m.ctx.Err() == nil {
		m.brokers[leader] = true
		m.tasks.Go(func() { m.readFrom(leader) })
	}
}

const (
	pollWait  = 250 * time.Millisecond // at the broker, for something to come
	pollShort = 5 * time.Millisecond   // while a partition is left out for a moment
	pollBytes = 256 << 10              // of one partition: with queueMax, what all of them may hold while the handlers are blocked
	pollRest  = 100 * time.Millisecond // after an error, or with nothing to read
)

// readFrom reads from one broker whatever sessions want of it, until the member leaves.
func (m *kafkaMember) readFrom(broker int32) {
	for m.ctx.Err() == nil {
		m.mu.Lock()
		wake := m.wake
		m.mu.Unlock()
		rs, by, brief := m.wanted(broker)
		if len(rs) == 0 {
			m.pause(pollRest, wake)
			continue
		}
		wait := pollWait
		if brief {
			wait = pollShort
		}
		got, err := m.k.fetch(m.ctx, m.cl, broker, rs, wait)
		if err != nil {
			if m.ctx.Err() == nil {
				m.k.refresh(m.ctx)
				m.moved()
			}
			m.pause(pollRest, nil)
			continue
		}
		trouble := false
		for _, g := range got {
			trouble = by[g.p].deliver(g) || trouble
		}
		if trouble {
			m.k.refresh(m.ctx)
			m.moved()
			m.pause(pollRest, nil)
		}
	}
}

// wanted gives what sessions want to read from a broker. brief: one of them has no space, but soon will have.
func (m *kafkaMember) wanted(broker int32) (rs []reading, by map[int]*kafkaSession, brief bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	by = map[int]*kafkaSession{}
	for p, s := range m.sessions {
		if leader, ok := m.k.leader(p); !ok || leader != broker {
			continue
		}
		at, ready, soon := s.wants()
		brief = brief || soon
		if ready {
			rs, by[p] = append(rs, reading{p, at, pollBytes}), s
		}
	}
	return rs, by, brief
}

// moved finds new readers for partitions whose leader has changed.
func (m *kafkaMember) moved() {
	for _, p := range m.held() {
		m.attend(int(p))
	}
}

func (m *kafkaMember) pause(d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-m.ctx.Done():
	}
}

// isFinal says whether a reader can not go on from where it is.
func isFinal(err error) bool {
	return errors.Is(err, chat.ErrTrimmed) || errors.Is(err, chat.ErrRewound)
}
