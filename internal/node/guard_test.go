package node

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// slowLog answers an append after a while.
type slowLog struct {
	chat.Log
	after time.Duration
	err   error
}

func (l slowLog) Append(_ chat.Record, done func(chat.Seq, error)) {
	time.AfterFunc(l.after, func() { done(7, l.err) })
}

// Only what became durable is measured, in full; the answer is the log's.
func TestGuardMeasuresAppends(t *testing.T) {
	for name, c := range map[string]struct {
		log     slowLog
		refused *chat.Error
		took    []time.Duration
		err     error
	}{
		"durable":                {log: slowLog{after: 30 * time.Millisecond}, took: []time.Duration{30 * time.Millisecond}},
		"durable, after unknown": {log: slowLog{after: time.Minute}, took: []time.Duration{time.Minute}},
		"refused by the log":     {log: slowLog{after: time.Second, err: chat.ErrUnavailable}, err: chat.ErrUnavailable},
		"perhaps written":        {log: slowLog{after: time.Second, err: chat.ErrUnknown}, err: chat.ErrUnknown},
		"refused before the log": {refused: chat.ErrUnavailable, err: chat.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var took []time.Duration
				g := &guardedLog{Log: c.log, took: func(d time.Duration) { took = append(took, d) }}
				g.refuse(c.refused)
				answer := make(chan error, 1)
				g.Append(chat.Record{}, func(seq chat.Seq, err error) {
					if c.refused == nil && seq != 7 {
						t.Errorf("seq %d", seq)
					}
					answer <- err
				})
				if err := <-answer; !errors.Is(err, c.err) {
					t.Errorf("answered %v", err)
				}
				if len(took) != len(c.took) || len(took) == 1 && took[0] != c.took[0] {
					t.Errorf("took %v, not %v", took, c.took)
				}
			})
		})
	}
}

// Every record and every append is measured: that makes no garbage.
func TestLatencyMakesNoGarbage(t *testing.T) {
	l := newLatency()
	if n := testing.AllocsPerRun(100, func() { l.observeAppend(time.Millisecond); l.observeLive(time.Second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
