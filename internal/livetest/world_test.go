package livetest_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bus/bustest"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/history"
	"github.com/hubbub-chat/hubbub/internal/hub"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/persist"
	"github.com/hubbub-chat/hubbub/internal/relay"
	"github.com/hubbub-chat/hubbub/internal/store"
)

const patience = 30 * time.Second

// quick are the design's times, with digests and the fallback four times as fast.
func quick() chat.Times {
	t := chat.DefaultTimes()
	t.Digest, t.Silence = 250*time.Millisecond, 750*time.Millisecond
	return t
}

// world is a log of one partition, its persister and history, and what the test puts around them.
type world struct {
	t    *testing.T
	log  *msglog.Disk
	hist *history.History
	bus  func() chat.Bus // a node's handle on the bus

	mu    sync.Mutex
	said  []chat.Record // what was appended, in the log's order: the test appends one at a time
	ids   int
	hubs  []*node
	rooms []chat.RoomID
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// background runs something long-lived until the end of the test, or until stop.
func (w *world) background(what string, f func(ctx context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f(ctx); err != nil && ctx.Err() == nil {
			w.t.Errorf("%s: %v", what, err)
		}
	}()
	stop = func() { cancel(); <-done }
	w.t.Cleanup(stop)
	return stop
}

func newWorld(t *testing.T, bus func() chat.Bus) *world {
	t.Helper()
	dir := t.TempDir()
	log, err := msglog.Open(msglog.Options{Dir: filepath.Join(dir, "log"), ReserveBytes: -1})
	must(t, err)
	t.Cleanup(func() { log.Close() })
	db, err := store.OpenSQLite(t.Context(), filepath.Join(dir, "history.db"), nil)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, log: log, bus: bus, hist: history.New(log, db, db, db, history.Options{Partitions: 1})}
	w.background("persister", persist.New(log, db, persist.Options{Store: "livetest", Times: quick()}).Run)
	for i := range 3 {
		room := chat.RoomID(fmt.Sprint("room", i))
		w.rooms = append(w.rooms, room)
		w.append(chat.KindCreate, room)
	}
	return w
}

// append puts a record into the log and waits until it is durable.
func (w *world) append(k chat.Kind, room chat.RoomID) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	id := chat.MessageID(fmt.Sprintf("message-%06d", w.ids))
	text, now := fmt.Sprint("text ", w.ids), time.Now().UnixMilli()
	b := chat.Body{ID: id, RoomID: room, User: chat.User{ID: "ann", Name: "Ann"}, At: now}
	r := chat.Record{Kind: k, Room: room, ID: id, User: "ann", Sent: now}
	if k == chat.KindCreate {
		r.Subject, b.Room = "ann", &chat.RoomInfo{Name: string(room), Owner: "ann"}
	} else {
		b.Text = &text
	}
	r.Body = b.Encode()
	done := make(chan error, 1)
	w.log.Append(r, func(seq chat.Seq, err error) { r.Seq = seq; done <- err })
	must(w.t, <-done)
	w.said = append(w.said, r)
}

// talk says something in every room, every few milliseconds, for a while.
func (w *world) talk(d time.Duration) {
	w.t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-ticker.C {
		for _, room := range w.rooms {
			w.append(chat.KindMessage, room)
		}
	}
}

// ending is a relay that runs.
type ending struct {
	bus  *bustest.Faulty
	mute *muted
	stop func()
}

// relay starts one more relay of the same partition: with a group of its own, as if the log had handed the partition to two at once.
func (w *world) relay(name string, seed uint64) *ending {
	e := &ending{bus: bustest.Wrap(w.bus(), seed)}
	e.mute = &muted{Bus: e.bus}
	e.stop = w.background("relay "+name, relay.New(w.log, e.mute, relay.Options{Group: "relay-" + name, Times: quick()}).Run)
	return e
}

// muted is a bus that loses the notes of one kind.
type muted struct {
	chat.Bus
	kind atomic.Value // string: the first letters of the channels; "": none
	lost atomic.Int64
}

func (m *muted) set(kind string) { m.kind.Store(kind) }

func (m *muted) Publish(ctx context.Context, ns []chat.Note) error {
	var rest []chat.Note
	kind, _ := m.kind.Load().(string)
	for _, n := range ns {
		if kind != "" && strings.HasPrefix(string(n.Channel), kind) {
			m.lost.Add(1)
			continue
		}
		rest = append(rest, n)
	}
	return m.Bus.Publish(ctx, rest)
}

// node is a hub with a reader in each room.
type node struct {
	hub     *hub.Hub
	bus     *bustest.Faulty
	readers map[chat.RoomID]*reader
}

// node starts a hub and attaches its readers at the present end.
func (w *world) node(name string, seed uint64) *node {
	w.t.Helper()
	n := &node{bus: bustest.Wrap(w.bus(), seed), readers: map[chat.RoomID]*reader{}}
	n.hub = hub.New(hub.Config{Log: w.log, Bus: n.bus, History: w.hist, Encoder: plain{}, Node: name, Partitions: 1, Times: quick()})
	w.background("hub "+name, n.hub.Run)
	for _, room := range w.rooms {
		r := &reader{}
		ctx, cancel := context.WithTimeout(w.t.Context(), patience)
		at, err := n.hub.Attach(ctx, room, chat.User{ID: "ann"}, chat.AttachHead, r)
		cancel()
		must(w.t, err)
		r.from = at.AsOf
		n.readers[room] = r
	}
	w.hubs = append(w.hubs, n)
	return n
}

// plain gives records as they are.
type plain struct{}

func (plain) Record(r chat.Record) chat.Frame {
	return chat.Frame{Room: r.Room, Seq: r.Seq, Size: r.Size(), Wire: r}
}

func (plain) Gap(g chat.Gap) chat.Frame {
	return chat.Frame{Room: g.Room, Seq: g.To, Size: 40, Wire: g}
}

func (plain) Whisper(room chat.RoomID, w chat.Whisper) chat.Frame {
	return chat.Frame{Room: room, Size: len(w.Body), Wire: w}
}

// reader keeps what it is given.
type reader struct {
	from chat.Seq

	mu    sync.Mutex
	got   []chat.Record
	other []string
}

func (r *reader) Deliver(f chat.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec, ok := f.Wire.(chat.Record); ok {
		r.got = append(r.got, rec)
		return
	}
	r.other = append(r.other, fmt.Sprintf("%T %+v", f.Wire, f.Wire))
}

func (r *reader) Ready(context.Context) error { return nil }

func (r *reader) Ended(room chat.RoomID, why chat.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.other = append(r.other, fmt.Sprintf("%s ended: %s", room, why))
}

// judge waits until every reader has all that was said since it came, and looks whether it got each record once, in the log's order,
// unaltered, and nothing else.
func (w *world) judge() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	late := time.Now().Add(patience)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for i, n := range w.hubs {
		for room, r := range n.readers {
			var want []chat.Record
			for _, rec := range w.said {
				if rec.Room == room && rec.Seq > r.from {
					want = append(want, rec)
				}
			}
			for r.len() < len(want) && time.Now().Before(late) {
				<-ticker.C
			}
			r.compare(w.t, fmt.Sprintf("node %d, %s", i, room), want)
		}
	}
}

func (r *reader) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func (r *reader) compare(t *testing.T, who string, want []chat.Record) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) != len(want) || len(r.other) > 0 {
		t.Errorf("%s: got %d of %d records, and besides %q", who, len(r.got), len(want), r.other)
	}
	for i := range min(len(r.got), len(want)) {
		if g := r.got[i]; g.Seq != want[i].Seq || g.ID != want[i].ID || string(g.Body) != string(want[i].Body) {
			t.Fatalf("%s: record %d is %d %s, want %d %s", who, i, g.Seq, g.ID, want[i].Seq, want[i].ID)
		}
	}
}
