package sim

import (
	"context"
	"log/slog"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/history"
	"github.com/hubbub-chat/hubbub/internal/hub"
	"github.com/hubbub-chat/hubbub/internal/persist"
	"github.com/hubbub-chat/hubbub/internal/relay"
)

// Node is one process.
type Node struct {
	w                    *World
	id                   int
	up                   bool
	frozen               time.Duration // nothing that it asked for comes back until then
	cutLog, cutBus, hung int           // faults that keep it from the log, from the bus, its relay's reads from returning
	life                 *life         // since its last start
}

// life is a node from a start to a crash, with the real parts.
type life struct {
	dice
	w       *World
	node    *Node
	ctx     context.Context
	end     context.CancelFunc
	hub     *hub.Hub
	history *history.History
	relay   *relay.Relay
	saver   *persist.Persister
	service *chat.Service
	relayed chat.Mark // how far its relay has read
}

// start begins a life. The caller holds mu, or is alone.
func (n *Node) start() {
	w := n.w
	l := &life{dice: w.child(), w: w, node: n}
	l.ctx, l.end = context.WithCancel(context.Background())
	quiet := slog.New(slog.DiscardHandler)
	t := times()
	l.history = history.New(logOf{l}, storeOf{l}, storeOf{l}, storeOf{l}, history.Options{Window: window, Breaks: breaksOf[history.Breaks](w.options)})
	l.hub = hub.New(hub.Config{Log: logOf{l}, Bus: busOf{l}, History: l.history, Encoder: encoder{}, Node: "n", Partitions: 1, Times: t,
		Limits: hub.Limits{TailRecords: tailMax, AheadSpans: 8}, Logger: quiet, Breaks: breaksOf[hub.Breaks](w.options)})
	l.relay = relay.New(logOf{l}, busOf{l}, relay.Options{Group: relayGroup, Times: t, Logger: quiet, HeadsMax: w.headsMax})
	l.saver = persist.New(logOf{l}, storeOf{l}, persist.Options{Store: "store", Times: t, Logger: quiet, Trim: true, Breaks: breaksOf[persist.Breaks](w.options),
		Back: persist.BackOff{First: 100 * ms, Most: time.Second}, Jitter: func(most time.Duration) time.Duration { return l.draw(0, most) }})
	if w.broken("late-membership") {
		t.Patience, t.Young = time.Hour, time.Hour
	}
	l.service = chat.NewService(chat.Ports{Log: logOf{l}, Rooms: l.rooms(), History: l.history, Directory: storeOf{l}, Bus: busOf{l},
		Paused: func() bool { return l.saver.State().Phase == persist.Paused }}, chat.Limits{}, t, quiet)
	n.up, n.life = true, l
	for _, run := range []func(context.Context) error{l.hub.Run, l.relay.Run, l.saver.Run} {
		w.spawn(func() { _ = run(l.ctx) })
	}
}

// draw is between for callers that do not hold mu.
func (l *life) draw(lo, hi time.Duration) time.Duration {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.between(lo, hi)
}

// rooms is the hub as the service sees it.
func (l *life) rooms() chat.Rooms {
	switch {
	case l.w.broken("early-answer"):
		return earlyRooms{l.hub}
	case l.w.broken("no-known"):
		return blankRooms{l.hub}
	}
	return l.hub
}

// earlyRooms is the break early-answer: a view is given before the record that was asked for.
type earlyRooms struct{ chat.Rooms }

func (r earlyRooms) View(ctx context.Context, room chat.RoomID, _ chat.Seq) (*chat.View, chat.Seq, error) {
	return r.Rooms.View(ctx, room, 0)
}

// blankRooms is the (harmless) break no-known: no id is remembered.
type blankRooms struct{ chat.Rooms }

func (blankRooms) Seen(chat.RoomID, chat.MessageID) (chat.Receipt, bool) {
	return chat.Receipt{}, false
}

// crash ends a life in the middle. The caller holds mu.
func (n *Node) crash() {
	n.w.count["node crashes"]++
	n.stopAll()
	for _, c := range n.w.clients {
		if c.conn != nil && c.conn.life.node == n {
			c.disconnect()
		}
	}
}

// stopAll ends a life, and adds up what its hub has done.
func (n *Node) stopAll() {
	n.up = false
	s := n.life.hub.Stats()
	for name, v := range map[string]int64{"fallbacks": s.Fallbacks, "fills": s.Fills, "rooms reset": s.Resets, "copies passed over": s.Copies,
		"resumes with a place": s.Replays, "spans kept aside and dropped": s.AheadDropped, "openings refused": s.OpenRetries} {
		n.w.count["hub: "+name] += int(v)
	}
	n.life.end()
}

// pass holds back what comes back to a node: until it thaws, and for ever if this life has ended (false). mu is not held.
func (l *life) pass() bool {
	for {
		l.w.mu.Lock()
		wait := l.node.frozen - l.w.now()
		if wait > 0 {
			wait += l.between(0, ms)
		}
		l.w.mu.Unlock()
		if l.ctx.Err() != nil {
			return false
		}
		if wait <= 0 {
			return true
		}
		_ = sleep(l.ctx, wait)
	}
}
