package hub_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/hub"
)

// sink is a listener that only counts.
type sink struct{ n atomic.Int64 }

func (s *sink) Deliver(chat.Frame)              { s.n.Add(1) }
func (s *sink) Ready(ctx context.Context) error { return ctx.Err() }
func (s *sink) Ended(chat.RoomID, chat.Code)    {}

// BenchmarkFanout is one message to 1,000 listeners of a room: parsed, folded, encoded once, handed to each.
func BenchmarkFanout(b *testing.B) {
	l := newMemLog(1)
	bus, hist := &memBus{}, &memHistory{log: l}
	h := hub.New(hub.Config{Log: l, Bus: bus, History: hist, Encoder: encoder{}, Partitions: 1, Times: chat.DefaultTimes()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	w := &world{log: l}
	for i := range 1000 {
		w.put(chat.KindJoin, "r", chat.UserID(fmt.Sprint("u", i)))
	}
	w.put(chat.KindCreate, "r", "u0")
	hist.w = l.end(0)
	var sinks []*sink
	for i := range 1000 {
		s := &sink{}
		if _, err := h.Attach(ctx, "r", user(chat.UserID(fmt.Sprint("u", i))), chat.AttachHead, s); err != nil {
			b.Fatal(err)
		}
		sinks = append(sinks, s)
	}
	pos := l.end(0)
	m := w.record(chat.KindMessage, "r", "u1")
	n := 0
	for b.Loop() {
		n++
		m.Seq, m.ID, m.At = pos+1, chat.MessageID(fmt.Sprint("m", n)), now()
		bus.send(chat.RoomChannel("r"), chat.Span{From: pos, To: pos + 1, Records: []chat.Record{m}}.Encode())
		pos++
	}
	for _, s := range sinks {
		if got := s.n.Load(); got != int64(n) {
			b.Fatalf("a listener got %d of %d", got, n)
		}
	}
	cancel()
	<-done
}
