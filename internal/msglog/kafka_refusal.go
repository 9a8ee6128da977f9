package msglog

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const (
	refusalFor = 30 * time.Second // without another one, a refusal is no longer the state of the log
	refusalSay = 10 * time.Second // between two log lines
)

// refusals keeps that the brokers answer, and refuse what this node writes: its clock, its rights. Safe for concurrent use.
type refusals struct {
	last atomic.Pointer[refusal]
	said atomic.Int64 // ms since 1970
}

type refusal struct {
	err error
	at  time.Time
}

// note keeps what became of an append. A success ends a refusal; what only one record is to blame for is none.
func (k *Kafka) note(err error) {
	r := &k.refusals
	if err == nil {
		if r.last.Load() != nil {
			r.last.Store(nil)
		}
		return
	}
	if !errors.Is(err, chat.ErrUnavailable) || k.life.Err() != nil {
		return
	}
	now := time.Now()
	r.last.Store(&refusal{err, now})
	if said := r.said.Load(); now.UnixMilli()-said > refusalSay.Milliseconds() && r.said.CompareAndSwap(said, now.UnixMilli()) {
		k.log.Error("Kafka refuses what this node writes", "topic", k.topic, "reason", err)
	}
}

// current gives the refusal of the last append, if it is not long ago.
func (r *refusals) current() error {
	if last := r.last.Load(); last != nil && time.Since(last.at) < refusalFor {
		return last.err
	}
	return nil
}
