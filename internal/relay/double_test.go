package relay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// logDouble is a log of memory that hands every partition to every member of its group: two relays read at once.
type logDouble struct {
	mu    sync.Mutex
	parts [][]chat.Record
	next  []int64 // offsets; some hold nothing
	group string
	down  bool
	hang  bool    // reads do not return
	lost  []error // what the next calls of Join end with
}

func newLog(partitions int) *logDouble {
	return &logDouble{parts: make([][]chat.Record, partitions), next: make([]int64, partitions)}
}

// add appends a record to partition p, after skip offsets that hold nothing.
func (l *logDouble) add(p int, room chat.RoomID, skip int64) chat.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next[p] += skip
	r := chat.Record{Seq: chat.MakeSeq(1, l.next[p]), At: time.Now().UnixMilli(), Kind: chat.KindMessage, Room: room, Body: []byte(`{"text":"x"}`)}
	r.ID = chat.MessageID(fmt.Sprint(r.Seq))
	l.next[p]++
	l.parts[p] = append(l.parts[p], r)
	return r
}

// read gives at most limit records after a place.
func (l *logDouble) read(p int, after chat.Seq, limit int) (rs []chat.Record, upTo chat.Seq, atEnd bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := chat.MakeSeq(1, l.next[p]) - 1
	for _, r := range l.parts[p] {
		if r.Seq <= after {
			continue
		}
		if len(rs) == limit {
			return rs, rs[len(rs)-1].Seq, false
		}
		rs = append(rs, r)
	}
	return rs, max(end, after), true
}

// of gives a room's records in (from, to].
func (l *logDouble) of(p int, room chat.RoomID, from, to chat.Seq) (out []chat.Record) {
	rs, _, _ := l.read(p, from, 1<<30)
	for _, r := range rs {
		if r.Room == room && r.Seq <= to {
			out = append(out, r)
		}
	}
	return out
}

func (l *logDouble) set(down, hang bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down, l.hang = down, hang
}

func (l *logDouble) Info(context.Context) (chat.LogInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return chat.LogInfo{}, chat.ErrUnavailable
	}
	info := chat.LogInfo{ID: "double", Generation: 1}
	for _, n := range l.next {
		info.Partitions = append(info.Partitions, chat.Partition{First: chat.MakeSeq(1, 0), Last: chat.MakeSeq(1, n) - 1})
	}
	return info, nil
}

func (l *logDouble) Join(ctx context.Context, group string, h chat.Handler) error {
	l.mu.Lock()
	l.group = group
	var err error
	if len(l.lost) > 0 {
		err, l.lost = l.lost[0], l.lost[1:]
	}
	l.mu.Unlock()
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	var wg sync.WaitGroup
	for p := range l.parts {
		wg.Go(func() { l.hand(ctx, p, h) })
	}
	wg.Wait()
	return nil
}

// hand calls h for a partition, ten times a second while the log can be read.
func (l *logDouble) hand(ctx context.Context, p int, h chat.Handler) {
	defer h.End(p)
	place, begun := chat.Mark{}, false
	for ctx.Err() == nil {
		l.mu.Lock()
		stuck := l.down || l.hang
		l.mu.Unlock()
		if !begun {
			var err error
			place, err = h.Begin(ctx, p)
			begun = err == nil
		} else if !stuck {
			rs, upTo, atEnd := l.read(p, place.Seq, 2000)
			place.Seq = upTo
			h.Records(ctx, p, rs, place, atEnd)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (l *logDouble) Append(chat.Record, func(chat.Seq, error)) { panic("a relay does not append") }

func (l *logDouble) Trim(context.Context, int, chat.Seq) error { panic("a relay does not trim") }

func (l *logDouble) Tail(context.Context, int, chat.Mark, func([]chat.Record, chat.Mark, bool) error) error {
	panic("a relay does not tail")
}

// busDouble keeps what is published, and judges each span and digest: what they say must be true of the log.
type busDouble struct {
	t   *testing.T
	log *logDouble

	mu      sync.Mutex
	fail    bool
	spans   []chat.Span
	rooms   []chat.RoomID // of spans
	digests []chat.Digest
	at      []time.Time // of digests
	sizes   []int       // of spans, bytes
	calls   int
	to      func(ch chat.Channel, n any) // nil: nobody listens
}

func (b *busDouble) Publish(ctx context.Context, ns []chat.Note) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.fail {
		return errors.New("the bus is gone")
	}
	for _, n := range ns {
		v, err := chat.ParseNote(n.Data)
		if err != nil {
			b.t.Errorf("a note on %s: %v", n.Channel, err)
		}
		switch v := v.(type) {
		case chat.Span:
			room := chat.RoomID(n.Channel[len("room:"):])
			judge(b.t, b.log, n.Partition, room, v)
			b.spans, b.rooms, b.sizes = append(b.spans, v), append(b.rooms, room), append(b.sizes, len(n.Data))
		case chat.Digest:
			if n.Channel != chat.DigestChannel(n.Partition) {
				b.t.Errorf("a digest on %s", n.Channel)
			}
			for _, room := range allRooms(b.log, n.Partition) {
				judge(b.t, b.log, n.Partition, room, v.Span(room))
			}
			b.digests, b.at = append(b.digests, v), append(b.at, time.Now())
		default:
			b.t.Errorf("a relay published %T", v)
		}
		if b.to != nil {
			b.to(n.Channel, v)
		}
	}
	return nil
}

func (b *busDouble) set(fail bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

func (b *busDouble) digestCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.digests)
}

func (b *busDouble) Subscribe(chat.Channel, func([]byte)) func() { panic("a relay does not subscribe") }
func (b *busDouble) Ping(context.Context) error                  { return nil }

func allRooms(l *logDouble, p int) (rooms []chat.RoomID) {
	seen := map[chat.RoomID]bool{"a room without records": true}
	rs, _, _ := l.read(p, 0, 1<<30)
	rooms = append(rooms, "a room without records")
	for _, r := range rs {
		if !seen[r.Room] {
			seen[r.Room] = true
			rooms = append(rooms, r.Room)
		}
	}
	return rooms
}

// judge holds a span to its promise: in (From, To] these are all the records of the room.
func judge(t *testing.T, l *logDouble, p int, room chat.RoomID, s chat.Span) {
	t.Helper()
	want := l.of(p, room, s.From, s.To)
	got := s.Records
	for len(got) > 0 && got[0].Seq <= s.From {
		got = got[1:]
	}
	if len(got) != len(want) {
		t.Errorf("room %s: a span (%d, %d] with %d records; the log has %d", room, s.From, s.To, len(got), len(want))
		return
	}
	for i := range got {
		if got[i].Seq != want[i].Seq || got[i].ID != want[i].ID || got[i].At != want[i].At || string(got[i].Body) != string(want[i].Body) {
			t.Errorf("room %s: record %d is %+v; the log has %+v", room, i, got[i], want[i])
		}
	}
}
