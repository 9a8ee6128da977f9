package hub_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/hub"
)

const second = time.Second

func now() int64 { return time.Now().UnixMilli() }

// world is a hub with its engines of memory, and a relay that the test leads.
type world struct {
	t    *testing.T
	log  *memLog
	bus  *memBus
	hist *memHistory
	hub  *hub.Hub
	ids  int
	// The relay: what it has read of partition 0, and its digest in the making.
	p0    chat.Seq
	heads map[chat.RoomID]chat.Seq
}

// run makes a world in a bubble, runs f in it, and ends it.
func run(t *testing.T, change func(*hub.Config), f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: newMemLog(1), bus: &memBus{}, heads: map[chat.RoomID]chat.Seq{}}
		w.hist = &memHistory{log: w.log}
		end := w.start(change)
		f(w)
		end()
	})
}

// start runs a hub and gives what ends it.
func (w *world) start(change func(*hub.Config)) func() {
	cfg := hub.Config{Log: w.log, Bus: w.bus, History: w.hist, Encoder: encoder{}, Node: "n1", Partitions: len(w.log.parts), Times: chat.DefaultTimes()}
	if change != nil {
		change(&cfg)
	}
	w.hub = hub.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.hub.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
}

// record makes one that is not in the log yet.
func (w *world) record(k chat.Kind, room chat.RoomID, u chat.UserID) chat.Record {
	w.ids++
	id := strconv.Itoa(w.ids)
	r := chat.Record{Kind: k, Room: room, ID: chat.MessageID(id), User: u, Sent: now()}
	b := chat.Body{ID: r.ID, RoomID: room, User: chat.User{ID: u, Name: "name of " + string(u)}, At: r.Sent}
	if k != chat.KindMessage {
		r.Subject = u
	}
	if k == chat.KindCreate {
		b.Room = &chat.RoomInfo{Name: "a room", Owner: u}
	}
	r.Body = b.Encode()
	return r
}

// put appends a record and lets no relay see it; say has it relayed.
func (w *world) put(k chat.Kind, room chat.RoomID, u chat.UserID) chat.Record {
	return w.log.put(w.record(k, room, u))
}

func (w *world) say(room chat.RoomID, u chat.UserID) chat.Record {
	r := w.put(chat.KindMessage, room, u)
	w.relay(r)
	return r
}

func (w *world) do(k chat.Kind, room chat.RoomID, u chat.UserID) chat.Record {
	r := w.put(k, room, u)
	w.relay(r)
	return r
}

// spanOf is what the relay says of r, which is its room's next record.
func (w *world) spanOf(r chat.Record) chat.Span {
	from, ok := w.heads[r.Room]
	if !ok {
		from = w.p0
	}
	w.heads[r.Room] = r.Seq
	return chat.Span{From: from, To: r.Seq, Records: []chat.Record{r}}
}

func (w *world) relay(r chat.Record) { w.publish(r.Room, w.spanOf(r)) }

func (w *world) publish(room chat.RoomID, s chat.Span) {
	w.bus.send(chat.RoomChannel(room), s.Encode())
	synctest.Wait()
}

// digest says how far the log of partition 0 reaches.
func (w *world) digest() {
	d := chat.Digest{P0: w.p0, P1: w.log.end(0), Heads: w.heads}
	w.p0, w.heads = d.P1, map[chat.RoomID]chat.Seq{}
	w.bus.send(chat.DigestChannel(0), d.Encode())
	synctest.Wait()
}

// sleep lets time pass, with a digest each second.
func (w *world) sleep(d time.Duration) {
	for ; d >= second; d -= second {
		time.Sleep(second)
		w.digest()
	}
	time.Sleep(d)
	synctest.Wait()
}

// room makes a room with members, in the log and in the store.
func (w *world) room(id chat.RoomID, members ...chat.UserID) chat.RoomID {
	for i, u := range members {
		k := chat.KindJoin
		if i == 0 {
			k = chat.KindCreate
		}
		w.put(k, id, u)
	}
	w.save()
	return id
}

// save raises W to the log's end.
func (w *world) save() { w.hist.set(func() { w.hist.w = w.log.end(0) }) }

func (w *world) attach(room chat.RoomID, u chat.UserID, after chat.Seq, l chat.Listener) chat.Attached {
	w.t.Helper()
	a, err := w.hub.Attach(context.Background(), room, user(u), after, l)
	if err != nil {
		w.t.Fatalf("attach %s to %s after %d: %v", u, room, after, err)
	}
	return a
}

func user(u chat.UserID) chat.User { return chat.User{ID: u, Name: "name of " + string(u)} }

// encoder makes frames that a test can read.
type encoder struct{}

func (encoder) Record(r chat.Record) chat.Frame {
	return chat.Frame{Room: r.Room, Seq: r.Seq, Size: r.Size(), Wire: r}
}
func (encoder) Gap(g chat.Gap) chat.Frame {
	return chat.Frame{Room: g.Room, Seq: g.To, Size: 40, Wire: g}
}
func (encoder) Whisper(room chat.RoomID, w chat.Whisper) chat.Frame {
	return chat.Frame{Room: room, Size: len(w.Body), Wire: w}
}

// socket is a listener that keeps what it gets.
type socket struct {
	mu     sync.Mutex
	frames []chat.Frame
	unread int // frames since the last Ready
	most   int // the highest unread was
	ended  []chat.Code
	ready  func(ctx context.Context) error
}

func (s *socket) Deliver(f chat.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, f)
	s.unread++
	s.most = max(s.most, s.unread)
}

func (s *socket) Ready(ctx context.Context) error {
	s.mu.Lock()
	s.unread = 0
	ready := s.ready
	s.mu.Unlock()
	if ready != nil {
		return ready(ctx)
	}
	return ctx.Err()
}

func (s *socket) Ended(_ chat.RoomID, why chat.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, why)
}

// got gives what came, in words: seqs as offsets, gaps, whispers; and forgets it.
func (s *socket) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, f := range s.frames {
		switch v := f.Wire.(type) {
		case chat.Record:
			out = append(out, strconv.FormatInt(v.Seq.Offset(), 10))
		case chat.Gap:
			out = append(out, fmt.Sprintf("gap %s %d-%d", v.Reason, v.From.Offset(), v.To.Offset()))
		case chat.Whisper:
			out = append(out, v.Name+" "+string(v.Body))
		}
	}
	for _, c := range s.ended {
		out = append(out, "ended "+string(c))
	}
	s.frames, s.ended = nil, nil
	return fmt.Sprint(out)
}

func (s *socket) wants(t *testing.T, want ...any) {
	t.Helper()
	var words []any
	words = append(words, want...)
	if got := s.got(); got != fmt.Sprintf("%v", words) {
		t.Errorf("the socket got %s, want %v", got, want)
	}
}

// seqs gives the numbers from a through b.
func seqs(a, b int) (out []any) {
	for ; a <= b; a++ {
		out = append(out, a)
	}
	return out
}

func list(parts ...any) (out []any) {
	for _, p := range parts {
		if l, ok := p.([]any); ok {
			out = append(out, l...)
		} else {
			out = append(out, p)
		}
	}
	return slices.Clip(out)
}
