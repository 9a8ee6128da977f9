package node

import (
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// guardedLog refuses appends while the log is not the one that the store belongs to: a record in the wrong log would be lost to
// history, and a seq of the wrong log would mix two orders (DESIGN.md §1). Reading goes on. It also measures how long appends take.
type guardedLog struct {
	chat.Log
	took    func(time.Duration) // told of each append that became durable, however late; must not block
	refused atomic.Pointer[chat.Error]
}

func (g *guardedLog) Append(r chat.Record, done func(chat.Seq, error)) {
	if err := g.refused.Load(); err != nil {
		done(0, err)
		return
	}
	given := time.Now()
	g.Log.Append(r, func(seq chat.Seq, err error) {
		if err == nil {
			g.took(time.Since(given))
		}
		done(seq, err)
	})
}

// refuse begins or (nil) ends the refusal.
func (g *guardedLog) refuse(err *chat.Error) { g.refused.Store(err) }
