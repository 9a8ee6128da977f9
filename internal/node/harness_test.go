package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/node"
)

// running is a whole node in this process, on real engines in a directory of its own.
type running struct {
	t    *testing.T
	data string
	addr string
	args []string
	logs *slog.Logger // nil: nowhere
	stop func()
}

// start runs a node until the test ends.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{t: t, data: t.TempDir(), args: args}
	r.up()
	t.Cleanup(func() { r.stop() })
	return r
}

var address = regexp.MustCompile(`:(\d+)/`)

func (r *running) up() {
	r.t.Helper()
	if err := r.try(); err != nil {
		r.t.Fatalf("the node does not start: %v", err)
	}
}

// try is up for a node that may be refused.
func (r *running) try() error {
	r.t.Helper()
	args := append([]string{"--listen", "127.0.0.1:0", "--data", r.data, "--drain", "0s", "--reserve-bytes", "0"}, r.args...)
	c, err := config.Parse(args, func(string) string { return "" }, io.Discard)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	if r.logs == nil {
		r.logs = slog.New(slog.DiscardHandler)
	}
	go func() {
		ended <- node.Run(ctx, c, node.Options{Logger: r.logs, Out: in, Version: "test"})
		in.Close()
	}()
	line := make([]byte, 200)
	n, err := out.Read(line)
	m := address.FindSubmatch(line[:n])
	if err != nil || m == nil {
		cancel()
		return errors.Join(err, <-ended)
	}
	r.addr = "127.0.0.1:" + string(m[1])
	go io.Copy(io.Discard, out)
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				r.t.Errorf("the node ended with %v", err)
			}
		case <-time.After(30 * time.Second):
			r.t.Error("the node did not stop within 30 s")
		}
	})
	return nil
}

// event is what a person heard.
type event struct {
	Name                     string
	Seq                      int64
	RoomID, Text, ID, Reason string
	User                     chat.User
	To                       int64
	raw                      json.RawMessage
}

// person is a connected client that keeps what it hears.
type person struct {
	*client.Client
	t       *testing.T
	home    *running
	user    chat.User
	token   string
	log     string
	session json.RawMessage

	mu    sync.Mutex
	heard []event
	more  chan struct{}
}

// connect connects with the given auth and waits for session.
func (r *running) connect(auth map[string]any) *person {
	r.t.Helper()
	p := &person{t: r.t, home: r, more: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, r.addr, auth, p.hear)
	if err != nil {
		r.t.Fatal(err)
	}
	p.Client = c
	r.t.Cleanup(c.Close)
	s := p.await("session", func(event) bool { return true })
	var session struct {
		User       chat.User
		Token, Log string
	}
	if err := json.Unmarshal(s.raw, &session); err != nil {
		r.t.Fatal(err)
	}
	p.user, p.token, p.log, p.session = session.User, session.Token, session.Log, s.raw
	return p
}

func (r *running) guest(name string) *person {
	r.t.Helper()
	return r.connect(map[string]any{"name": name})
}

func (p *person) hear(name string, data json.RawMessage) {
	e := event{Name: name, raw: append(json.RawMessage(nil), data...)}
	_ = json.Unmarshal(data, &e)
	e.Name = name
	p.mu.Lock()
	p.heard = append(p.heard, e)
	p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// await waits for an event of that name that fits.
func (p *person) await(name string, fits func(event) bool) event {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
	for from := 0; ; {
		p.mu.Lock()
		list := p.heard[from:]
		from = len(p.heard)
		p.mu.Unlock()
		for _, e := range list {
			if e.Name == name && fits(e) {
				return e
			}
		}
		select {
		case <-p.more:
		case <-deadline:
			p.t.Fatalf("%s waits in vain for %s; heard %d events", p.user.Name, name, from)
		}
	}
}

// of gives what was heard of a room so far, by name.
func (p *person) of(room, name string) []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []event
	for _, e := range p.heard {
		if e.RoomID == room && (name == "" || e.Name == name) {
			out = append(out, e)
		}
	}
	return out
}

// ask calls, and decodes an ok answer into a map.
func (p *person) ask(name string, payload any) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	data, err := p.Call(ctx, name, payload)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(data, &m)
}

func (p *person) must(name string, payload any) map[string]any {
	p.t.Helper()
	m, err := p.ask(name, payload)
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.user.Name, name, err)
	}
	return m
}

// refusedWith says whether err is a refusal with that code.
func refusedWith(err error, code chat.Code) bool {
	var f *client.Failure
	return errors.As(err, &f) && f.Code == string(code)
}

func (p *person) create(name string, private bool) string {
	p.t.Helper()
	m := p.must("room:create", map[string]any{"clientId": newID(), "name": name, "private": private})
	return m["room"].(map[string]any)["id"].(string)
}

func (p *person) send(room, text string) map[string]any {
	p.t.Helper()
	return p.must("message:send", map[string]any{"roomId": room, "clientId": newID(), "text": text})
}

func newID() string { return chat.NewUUIDv7(time.Now()) }

func texts(m map[string]any) []string {
	var out []string
	for _, x := range m["messages"].([]any) {
		out = append(out, fmt.Sprint(x.(map[string]any)["text"]))
	}
	return out
}
