package docs_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/node"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// running is a whole node in this process.
type running struct {
	data, addr string
	stop       func()
}

var listening = regexp.MustCompile(`:(\d+)/`)

// start runs a node in a directory until it is stopped, or the test ends.
func start(t *testing.T, data string, args ...string) *running {
	t.Helper()
	args = append([]string{"--listen", "127.0.0.1:0", "--data", data, "--drain", "0s"}, args...)
	if !slices.Contains(args, "--reserve-bytes") {
		args = append(args, "--reserve-bytes", "0")
	}
	c, err := config.Parse(args, func(string) string { return "" }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- node.Run(ctx, c, node.Options{Logger: slog.New(slog.DiscardHandler), Out: in, Version: "test"})
		in.Close()
	}()
	line := make([]byte, 200)
	n, err := out.Read(line)
	m := listening.FindSubmatch(line[:n])
	if err != nil || m == nil {
		cancel()
		t.Fatalf("the node does not start: %v", <-ended)
	}
	go io.Copy(io.Discard, out)
	r := &running{data: data, addr: "127.0.0.1:" + string(m[1])}
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the node ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("the node did not stop")
		}
	})
	t.Cleanup(r.stop)
	return r
}

// token mints one of the node's own, as hubbub token does; ttl may be below 0 within the leeway.
func (r *running) token(t *testing.T, user string, ttl time.Duration) string {
	t.Helper()
	secret, err := auth.LoadSecret(r.data)
	if err != nil {
		t.Fatalf("%s: %v", filepath.Join(r.data, auth.SecretFile), err)
	}
	text, err := auth.NewTokens(secret, nil).Mint(chat.User{ID: chat.UserID(user), Name: user}, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// heard is an event that came.
type heard struct {
	name string
	data any
}

// person is a connected client that keeps what it hears.
type person struct {
	*client.Client
	t *testing.T

	mu   sync.Mutex
	all  []heard
	more chan struct{}
}

func (r *running) connect(t *testing.T, auth map[string]any) *person {
	t.Helper()
	p := &person{t: t, more: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, r.addr, auth, p.hear)
	if err != nil {
		t.Fatal(err)
	}
	p.Client = c
	t.Cleanup(c.Close)
	p.await("session", func(map[string]any) bool { return true })
	return p
}

func (p *person) hear(name string, raw json.RawMessage) {
	var data any
	if err := json.Unmarshal(raw, &data); err != nil {
		data = err
	}
	p.mu.Lock()
	p.all = append(p.all, heard{name, data})
	p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// await waits for an event of that name that fits, from the first that ever came on.
func (p *person) await(name string, fits func(map[string]any) bool) map[string]any {
	p.t.Helper()
	late := time.After(patience)
	for from := 0; ; {
		p.mu.Lock()
		list := p.all[from:]
		from = len(p.all)
		p.mu.Unlock()
		for _, e := range list {
			if data, ok := e.data.(map[string]any); ok && e.name == name && fits(data) {
				return data
			}
		}
		select {
		case <-p.more:
		case <-late:
			p.t.Fatalf("%s did not come; %d events did", name, from)
		}
	}
}

func (p *person) heard() []heard {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

// ask gives the whole answer to a request.
func (p *person) ask(name string, payload any) map[string]any {
	p.t.Helper()
	ch := make(chan map[string]any, 1)
	p.Emit(name, payload, func(raw json.RawMessage, err error) {
		var a map[string]any
		if err == nil {
			err = json.Unmarshal(raw, &a)
		}
		if err != nil {
			a = map[string]any{"broken": err.Error()}
		}
		ch <- a
	})
	select {
	case a := <-ch:
		if a["broken"] != nil {
			p.t.Fatalf("%s: %v", name, a["broken"])
		}
		return a
	case <-time.After(patience):
		p.t.Fatalf("%s is not answered", name)
		return nil
	}
}

// must gives the data of an answer that has to be ok.
func (p *person) must(name string, payload any) map[string]any {
	p.t.Helper()
	a := p.ask(name, payload)
	data, ok := a["data"].(map[string]any)
	if a["ok"] != true || !ok {
		p.t.Fatalf("%s %v: %v", name, payload, a)
	}
	return data
}

// code gives the code of a refusal, or "ok", and its message.
func code(answer map[string]any) (code, message string) {
	if answer["ok"] == true {
		return "ok", ""
	}
	e, _ := answer["error"].(map[string]any)
	code, _ = e["code"].(string)
	message, _ = e["message"].(string)
	return code, message
}

type object = map[string]any

func newID() string { return chat.NewUUIDv7(time.Now()) }

// room makes one and gives its id.
func (p *person) room(name string, private bool) string {
	p.t.Helper()
	id, _ := p.must("room:create", object{"clientId": newID(), "name": name, "private": private})["room"].(object)["id"].(string)
	return id
}

func (p *person) id() string {
	user, _ := p.await("session", func(object) bool { return true })["user"].(object)
	id, _ := user["id"].(string)
	return id
}
