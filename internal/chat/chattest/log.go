package chattest

import (
	"context"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Log is the world as a log.
type Log struct{ w *World }

// Append puts a record into the log, in order.
func (l Log) Append(r chat.Record, done func(chat.Seq, error)) {
	w := l.w
	w.mu.Lock()
	if err := w.fail; err != nil {
		w.mu.Unlock()
		done(0, err)
		return
	}
	w.queue = append(w.queue, &appending{r, done, time.Now().Add(w.delay)})
	delay := w.delay
	w.mu.Unlock()
	if delay > 0 {
		time.AfterFunc(delay, w.pump)
		return
	}
	w.pump()
}

// pump makes durable what is due.
func (w *World) pump() {
	for {
		w.mu.Lock()
		if w.held || len(w.queue) == 0 || w.queue[0].due.After(time.Now()) {
			w.mu.Unlock()
			return
		}
		a := w.queue[0]
		w.queue = w.queue[1:]
		seq := chat.MakeSeq(1, int64(len(w.records)))
		a.rec.Seq, a.rec.At = seq, time.Now().UnixMilli()
		w.records = append(w.records, a.rec)
		w.apply(a.rec)
		close(w.changed)
		w.changed = make(chan struct{})
		if w.blind {
			seq = 0
		}
		w.mu.Unlock()
		a.done(seq, nil)
	}
}

// apply is the hub's fold and fan-out. Under mu.
func (w *World) apply(rec chat.Record) {
	r := w.rooms[rec.Room]
	if r == nil {
		r = &room{view: chat.NewView(chat.Room{}, nil), seen: map[chat.MessageID]chat.Receipt{}}
		w.rooms[rec.Room] = r
	}
	r.pos = rec.Seq
	if slices.ContainsFunc(r.rows, func(o chat.Record) bool { return o.ID == rec.ID }) {
		return
	}
	r.seen[rec.ID] = chat.Receipt{ID: rec.ID, Seq: rec.Seq, Sent: rec.Sent, Sum: rec.Sum}
	r.rows = append(r.rows, rec)
	r.view = r.view.Fold(rec)
	for _, s := range r.subs {
		s.l.Deliver(w.encoder.Record(rec))
	}
	if rec.Kind == chat.KindLeave {
		r.subs = slices.DeleteFunc(r.subs, func(s listener) bool {
			if s.user == rec.Subject {
				s.l.Ended(rec.Room, chat.CodeNotFound)
			}
			return s.user == rec.Subject
		})
	}
}

// Join is not used by hops 2 and 3.
func (l Log) Join(ctx context.Context, _ string, _ chat.Handler) error {
	<-ctx.Done()
	return nil
}

// Tail gives what lies above a place, once.
func (l Log) Tail(_ context.Context, _ int, after chat.Mark, f func([]chat.Record, chat.Mark, bool) error) error {
	rs := slices.DeleteFunc(l.w.Records(), func(r chat.Record) bool { return r.Seq <= after.Seq })
	return f(rs, after, true)
}

// Info names the log.
func (l Log) Info(context.Context) (chat.LogInfo, error) {
	rs := l.w.Records()
	return chat.LogInfo{ID: "chattest", Generation: 1, Partitions: []chat.Partition{{First: chat.MakeSeq(1, 0), Last: chat.MakeSeq(1, int64(len(rs))-1)}}}, nil
}

// Trim forgets nothing.
func (l Log) Trim(context.Context, int, chat.Seq) error { return nil }

// Bus is the world's bus: what is published is heard at once.
type Bus struct{ w *World }

// Publish calls whoever listens. Whispers of a room go to its listeners, but for him who caused them.
func (b Bus) Publish(_ context.Context, ns []chat.Note) error {
	for _, n := range ns {
		b.w.mu.Lock()
		b.w.notes++
		var fs []func([]byte)
		for _, f := range b.w.subs[n.Channel] {
			fs = append(fs, f)
		}
		for id, r := range b.w.rooms {
			if chat.RoomChannel(id) == n.Channel {
				b.w.whisper(id, r, n.Data)
			}
		}
		b.w.mu.Unlock()
		for _, f := range fs {
			f(n.Data)
		}
	}
	return nil
}

func (w *World) whisper(id chat.RoomID, r *room, data []byte) {
	note, err := chat.ParseNote(data)
	whisper, ok := note.(chat.Whisper)
	if err != nil || !ok {
		return
	}
	for _, s := range r.subs {
		if s.user != whisper.From {
			s.l.Deliver(w.encoder.Whisper(id, whisper))
		}
	}
}

// Subscribe adds a listener.
func (b Bus) Subscribe(ch chat.Channel, f func([]byte)) (stop func()) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	b.w.nextSub++
	id := b.w.nextSub
	if b.w.subs[ch] == nil {
		b.w.subs[ch] = map[int]func([]byte){}
	}
	b.w.subs[ch][id] = f
	return func() {
		b.w.mu.Lock()
		defer b.w.mu.Unlock()
		delete(b.w.subs[ch], id)
	}
}

// Ping is always answered.
func (b Bus) Ping(context.Context) error { return nil }
