package persist_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/persist"
)

// world is a log, a store, and what a persister logs and tells.
type world struct {
	t   *testing.T
	log *logDouble
	arc *archiveDouble
	opt persist.Options

	mu    sync.Mutex
	out   bytes.Buffer
	told  []persist.State
	stops []func()
}

func newWorld(t *testing.T, partitions int) *world {
	w := &world{t: t, log: newLog(partitions), arc: newArchive()}
	w.opt = persist.Options{Store: "s1", Logger: slog.New(slog.NewTextHandler(w, nil)), OnState: func(s persist.State) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, s)
	}}
	return w
}

func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func (w *world) output() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.String()
}

// start runs a persister until stop, or the end of the world.
func (w *world) start() (p *persist.Persister, stop func()) {
	p = persist.New(w.log, w.arc, w.opt)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	w.stops = append(w.stops, stop)
	return p, stop
}

func (w *world) end() {
	for _, stop := range w.stops {
		stop()
	}
}

func (w *world) row(id chat.MessageID) chat.Record {
	w.arc.mu.Lock()
	defer w.arc.mu.Unlock()
	return w.arc.rows[id]
}

// exact says that the store holds the first copy of every record, once, and W at the log's end. Buried ones stand as tombstones.
func (w *world) exact() {
	w.t.Helper()
	want := w.log.firstCopies()
	w.arc.mu.Lock()
	defer w.arc.mu.Unlock()
	if len(w.arc.rows) != len(want) {
		w.t.Errorf("the store has %d rows, the log %d ids", len(w.arc.rows), len(want))
	}
	places := map[string]chat.MessageID{}
	for id, r := range want {
		got := w.arc.rows[id]
		if w.arc.dead[r.Seq] != "" {
			b, err := chat.ParseBody(got.Body)
			if got.Kind != chat.KindTombstone || got.Room != r.Room || got.Seq != r.Seq || err != nil || !b.Deleted || b.Reason != "unstorable" || b.At != r.Sent {
				w.t.Errorf("a buried record left %+v %s", got, got.Body)
			}
			continue
		}
		if fmt.Sprint(got) != fmt.Sprint(r) {
			w.t.Errorf("%s is stored as %+v, the log's first copy is %+v", id, got, r)
		}
		place := fmt.Sprint(r.Room, r.Seq)
		if places[place] != "" {
			w.t.Errorf("two rows at %s", place)
		}
		places[place] = id
	}
	for p, m := range w.arc.w {
		if last := w.log.last(p); m.Seq != last || len(w.log.parts[p].recs) > 0 && m.Proof != proof {
			w.t.Errorf("W of partition %d is %+v, the log ends at %d", p, m, last)
		}
	}
}

// pauses gives partition and position of every pause and resume line, in order.
func (w *world) pauses() (paused, resumed []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	re := regexp.MustCompile(`msg="persister (paused|resumed)" partition=(\d+) position=(\d+)`)
	for _, m := range re.FindAllStringSubmatch(w.out.String(), -1) {
		if at := m[2] + "@" + m[3]; m[1] == "paused" {
			paused = append(paused, at)
		} else {
			resumed = append(resumed, at)
		}
	}
	return paused, resumed
}

// healthy says that p saves and has nothing left to save.
func (w *world) healthy(p *persist.Persister) {
	w.t.Helper()
	if s := p.State(); s.Phase != persist.Running || s.Lag != 0 || s.Refused != nil || s.Reason != "" {
		w.t.Errorf("state %+v", s)
	}
}

// pass lets virtual time pass, and waits until everything rests.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func settle() { pass(5 * time.Second) }
