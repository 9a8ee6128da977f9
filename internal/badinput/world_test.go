package badinput_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/node"
)

// patience is how long a test waits for what must come; a busy machine has time.
const patience = 20 * time.Second

// world is a whole node in this process.
type world struct {
	data string
	addr string
	args []string
	log  *diary
	stop func(t *testing.T)
}

var readyLine = regexp.MustCompile(`:(\d+)/`)

// begin runs a node on the data directory until stop; the error is what it ended with before it was ready.
func begin(data string, args ...string) (*world, error) {
	w := &world{data: data, args: args, log: &diary{}}
	all := append([]string{"--listen", "127.0.0.1:0", "--data", data, "--drain", "0s", "--reserve-bytes", "0"}, args...)
	c, err := config.Parse(all, func(string) string { return "" }, io.Discard)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- node.Run(ctx, c, node.Options{Logger: slog.New(slog.NewTextHandler(w.log, nil)), Out: in, Version: "test"})
		in.Close()
	}()
	line := make([]byte, 200)
	n, err := out.Read(line)
	m := readyLine.FindSubmatch(line[:n])
	if err != nil || m == nil {
		cancel()
		return nil, <-ended
	}
	w.addr = "127.0.0.1:" + string(m[1])
	go io.Copy(io.Discard, out)
	var once sync.Once
	w.stop = func(t *testing.T) {
		t.Helper()
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("the node ended with %v", err)
				}
			case <-time.After(30 * time.Second):
				t.Error("the node did not stop within 30 s")
			}
		})
	}
	return w, nil
}

// start is begin of a node that must come up, on a directory of its own; it ends with the test.
func start(t *testing.T, args ...string) *world {
	t.Helper()
	w, err := begin(t.TempDir(), args...)
	if err != nil {
		t.Fatalf("the node does not start: %v", errors.Join(err))
	}
	t.Cleanup(func() { w.stop(t) })
	return w
}

// diary keeps what is logged, up to a bound.
type diary struct {
	mu   sync.Mutex
	text []byte
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.text) < 1<<20 {
		d.text = append(d.text, p...)
	}
	return len(p), nil
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(d.text)
}

func newID() string { return chat.NewUUIDv7(time.Now()) }

// until waits until ok says so.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("it never came about: %s", what)
		}
	}
}

// doors counts the cases.
type doors struct {
	asked int // how many there are; with -run some are left out
	names []string
	cases map[string]int
}

// run tests one door; f gives how many cases it had.
func (d *doors) run(t *testing.T, name string, f func(t *testing.T) int) {
	t.Helper()
	from := time.Now()
	d.asked++
	t.Run(name, func(t *testing.T) {
		d.names = append(d.names, name)
		d.cases[name] = f(t)
	})
	if d.cases[name] > 0 {
		t.Logf("%s: %d cases in %.1f s", name, d.cases[name], time.Since(from).Seconds())
	}
}

// report says how many cases there were at each door, and fails if they are fewer than least.
func (d *doors) report(t *testing.T, least int) {
	t.Helper()
	all := 0
	for _, name := range d.names {
		all += d.cases[name]
		t.Logf("%4d  %s", d.cases[name], name)
	}
	t.Logf("%4d  in all", all)
	if all < least && len(d.names) == d.asked {
		t.Errorf("%d cases, at least %d are wanted", all, least)
	}
}

// side runs subtests side by side: two at a time, and those that mostly wait all at once. wait must be called before the test returns.
type side struct {
	t     *testing.T
	slots chan struct{}
	all   sync.WaitGroup
}

func sideBySide(t *testing.T) *side { return &side{t: t, slots: make(chan struct{}, 2)} }

func (s *side) run(name string, waits bool, f func(*testing.T)) {
	s.all.Go(func() {
		if !waits {
			s.slots <- struct{}{}
			defer func() { <-s.slots }()
		}
		s.t.Run(name, f)
	})
}

func (s *side) wait() { s.all.Wait() }
