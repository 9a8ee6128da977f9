package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/chat/chattest"
	"github.com/hubbub-chat/hubbub/socketio"
)

// patience is how long a test waits for what must come.
const patience = 15 * time.Second

// door is an Authenticator for tests: the token, or else the name, or else the pid, is the user's id.
type door struct{ expires time.Time }

func (d door) Authenticate(_ context.Context, c Credentials) (Identity, error) {
	id := c.Token
	if id == "" {
		id = c.Name
	}
	if id == "" {
		id = strings.TrimPrefix(c.PID, "pid-")
	}
	if id == "" {
		return Identity{}, chat.Errorf(chat.CodeUnauthorized, "who are you?")
	}
	return Identity{User: chat.User{ID: chat.UserID(id), Name: "N " + id}, PID: "pid-" + id, Expires: d.expires}, nil
}

// rig is a gateway behind a real Socket.IO server, on a world of memory.
type rig struct {
	t *testing.T
	*chattest.World
	g    *Gateway
	s    *chat.Service
	addr string
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	r := newRigOn(t, chattest.New(Encoder{}), change)
	if err := r.s.EnsureLobby(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

// newRigOn makes one on a world that others may share, as the nodes of a cluster do.
func newRigOn(t *testing.T, w *chattest.World, change func(*Config)) *rig {
	t.Helper()
	s := chat.NewService(w.Ports(), chat.Limits{}, chat.DefaultTimes(), slog.New(slog.DiscardHandler))
	cfg := Config{Service: s, Rooms: w.Ports().Rooms, Bus: w.Ports().Bus, Auth: door{}, LogName: "log-1"}
	if change != nil {
		change(&cfg)
	}
	g := New(cfg)
	srv := socketio.New(socketio.Options{})
	g.Bind(srv.Of("/"))
	ts := httptest.NewUnstartedServer(srv)
	ts.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetWriteBuffer(64 << 10) // so that a slow reader is felt soon
		}
		return ctx
	}
	ts.Start()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- g.Run(ctx) }()
	t.Cleanup(func() {
		w.Hold(false)
		cancel()
		within, done := context.WithTimeout(context.Background(), patience)
		defer done()
		if err := srv.Close(within); err != nil {
			t.Errorf("close: %v", err)
		}
		ts.Close()
		if err := <-ran; err != nil {
			t.Errorf("run: %v", err)
		}
		if st := g.Stats(); st.Sockets != 0 || st.Users != 0 || st.Subscriptions != 0 {
			t.Errorf("left behind: %+v", st)
		}
	})
	return &rig{t, w, g, s, strings.TrimPrefix(ts.URL, "http://")}
}

// eventually polls until f says true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

// client is a raw websocket client; got is every packet that came, in order.
type client struct {
	t    *testing.T
	conn net.Conn
	mu   sync.Mutex
	got  []string
	news chan struct{}
	over bool
	ids  int
}

// dial opens a session and sends the CONNECT.
func (r *rig) dial(auth string) *client {
	r.t.Helper()
	gate := make(chan struct{})
	close(gate)
	return r.dialSlow(auth, gate)
}

// dialSlow opens one whose client reads nothing until the gate is open, and has little room for what comes.
func (r *rig) dialSlow(auth string, gate <-chan struct{}) *client {
	r.t.Helper()
	d := ws.Dialer{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetReadBuffer(256 << 10) // less than the loopback sends at once would make it crawl
		}
		return c, err
	}}
	conn, br, _, err := d.Dial(context.Background(), "ws://"+r.addr+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		r.t.Fatal(err)
	}
	c := &client{t: r.t, conn: conn, news: make(chan struct{}, 1)}
	r.t.Cleanup(func() { conn.Close() })
	var in io.Reader = conn
	if br != nil { // what came with the handshake's answer
		in = br
	}
	go func() {
		<-gate
		c.read(struct {
			io.Reader
			io.Writer
		}{in, conn})
	}()
	c.write("40" + auth)
	return c
}

func (c *client) read(r io.ReadWriter) {
	for {
		data, err := wsutil.ReadServerText(r)
		c.mu.Lock()
		switch {
		case err != nil:
			c.over = true
		case string(data) == "2":
			c.write("3")
		default:
			c.got = append(c.got, string(data))
		}
		c.mu.Unlock()
		select {
		case c.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (c *client) write(packets ...string) {
	var all []byte
	for _, p := range packets {
		f := ws.MaskFrameInPlace(ws.NewTextFrame([]byte(p)))
		all = append(all, ws.MustCompileFrame(f)...)
	}
	c.conn.Write(all)
}

// find waits for the first packet at or after from that f accepts, and gives its index.
func (c *client) find(what string, from int, f func(string) bool) (int, string) {
	c.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		c.mu.Lock()
		for i := from; i < len(c.got); i++ {
			if f(c.got[i]) {
				defer c.mu.Unlock()
				return i, c.got[i]
			}
		}
		over := c.over
		c.mu.Unlock()
		if over {
			c.t.Fatalf("closed before %s came; got %.2000q", what, c.packets())
		}
		select {
		case <-c.news:
		case <-deadline.C:
			c.t.Fatalf("%s did not come; got %.2000q", what, c.packets())
		}
	}
}

func (c *client) packets() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.got...)
}

// event waits for an event at or after a packet.
func (c *client) event(name string, from int) (int, map[string]any) {
	c.t.Helper()
	i, p := c.find(name, from, func(p string) bool { return strings.HasPrefix(p, `42["`+name+`",`) })
	var args []json.RawMessage
	var body map[string]any
	if json.Unmarshal([]byte(p[2:]), &args) != nil || json.Unmarshal(args[1], &body) != nil {
		c.t.Fatalf("event %q", p)
	}
	return i, body
}

// connected waits for the CONNECT answer and session, which must be the first two packets behind the handshake.
func (c *client) connected() (sid, pid string, session map[string]any) {
	c.t.Helper()
	i, p := c.find("CONNECT", 0, func(p string) bool { return strings.HasPrefix(p, "40") || strings.HasPrefix(p, "44") })
	var answer struct{ SID, PID string }
	if i != 1 || json.Unmarshal([]byte(p[2:]), &answer) != nil || answer.SID == "" {
		c.t.Fatalf("packet %d answers CONNECT: %s", i, p)
	}
	i, session = c.event("session", 0)
	if i != 2 {
		c.t.Fatalf("session is packet %d of %.2000q", i, c.packets())
	}
	return answer.SID, answer.PID, session
}

// ack is an answer and where it came.
type ack struct {
	at    int
	OK    bool
	Data  map[string]any
	Error struct {
		Code, Message string
		RetryAfterMs  int64
	}
	raw string
}

// packet gives the text of a request that wants an answer, and its id.
func (c *client) packet(name, payload string) (text string, id int) {
	c.ids++
	return fmt.Sprintf(`42%d["%s",%s]`, c.ids, name, payload), c.ids
}

// answer waits for the answer of a request.
func (c *client) answer(id int) ack {
	c.t.Helper()
	prefix := fmt.Sprintf("43%d[", id)
	i, p := c.find(fmt.Sprintf("answer %d", id), 0, func(p string) bool { return strings.HasPrefix(p, prefix) })
	a := ack{at: i, raw: p[len(prefix)-1:]}
	var args []json.RawMessage
	if json.Unmarshal([]byte(a.raw), &args) != nil || len(args) != 1 || json.Unmarshal(args[0], &a) != nil {
		c.t.Fatalf("answer %q", p)
	}
	return a
}

// call makes a request and waits for the answer.
func (c *client) call(name, payload string) ack {
	c.t.Helper()
	text, id := c.packet(name, payload)
	c.write(text)
	return c.answer(id)
}

// must makes a request that has to succeed.
func (c *client) must(name, payload string) ack {
	c.t.Helper()
	a := c.call(name, payload)
	if !a.OK {
		c.t.Fatalf("%s %.200s: %s", name, payload, a.raw)
	}
	return a
}

// in connects as a user.
func (r *rig) in(name string) *client {
	r.t.Helper()
	c := r.dial(`{"token":"` + name + `"}`)
	c.connected()
	return c
}

// joined connects as a user and joins the lobby.
func (r *rig) joined(name string) *client {
	r.t.Helper()
	c := r.in(name)
	c.must("room:join", `{"roomId":"lobby"}`)
	return c
}

func sendOf(room, id, text string) string {
	return string(marshal(map[string]string{"roomId": room, "clientId": id, "text": text}))
}

func seqOf(m map[string]any) chat.Seq {
	n, _ := m["seq"].(float64)
	return chat.Seq(n)
}
