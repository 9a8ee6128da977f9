package httpd_test

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/httpd"
)

// trap is a listener that notes who dials it, and does with each connection as told.
type trap struct {
	net.Listener
	dialled atomic.Int64
}

func newTrap(t *testing.T, serve func(net.Conn)) *trap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tr := &trap{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tr.dialled.Add(1)
			t.Cleanup(func() { c.Close() })
			go serve(c)
		}
	}()
	return tr
}

// sidOf makes a session id of a node at addr, signed with a secret.
func sidOf(t testing.TB, secret, addr string) string {
	t.Helper()
	s, err := auth.NewSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	own, err := auth.ParseNodeAddress(addr)
	if err != nil {
		t.Fatal(err)
	}
	return auth.NewSIDs(s, own).New()
}

// quick makes the waits of a forwarder short.
func quick(c *httpd.Forwarding) {
	c.PingInterval, c.PingTimeout, c.WriteTimeout, c.DialTimeout, c.Slack = 100*time.Millisecond, 100*time.Millisecond, 200*time.Millisecond, 500*time.Millisecond, 200*time.Millisecond
}

// stranger is a client with a session id it has not got from a handshake.
func stranger(t testing.TB, m *member, sid string) *poller {
	p := &poller{t: t, base: m.url(), sid: sid, http: &http.Client{Transport: &http.Transport{}, Timeout: patience}}
	t.Cleanup(p.http.CloseIdleConnections)
	return p
}

// refusedEverywhere checks that poll, POST and websocket with the client's id are answered as of an unknown session.
func (p *poller) refusedEverywhere() {
	p.t.Helper()
	p.gone()
	if status, body := p.do(http.MethodPost, "40"); status != 400 || refusal(p.t, body) != 1 {
		p.t.Errorf("POST: %d %s", status, body)
	}
	_, err := dialWS(p.t, p.base, p.sid, ws.Dialer{})
	if status, ok := err.(ws.StatusError); !ok || int(status) != 400 {
		p.t.Errorf("websocket: %v", err)
	}
}

func TestOnlyASignedAddressIsDialled(t *testing.T) {
	tr := newTrap(t, func(net.Conn) {})
	m := newMember(t, setup{})
	addr := tr.Addr().String()
	good := sidOf(t, secretText, addr)
	forged := sidOf(t, "another secret here", addr)
	ids := []string{forged, good[:len(good)-1], good + "AAAA", "A" + good, strings.ToLower(good), "x", strings.Repeat("A", 500), "http://" + addr, "%00"}
	for i := range good { // any one character changed
		c := byte('A')
		if good[i] == c {
			c = 'B'
		}
		ids = append(ids, good[:i]+string(c)+good[i+1:])
	}
	for _, id := range ids {
		stranger(t, m, id).gone()
	}
	stranger(t, m, forged).refusedEverywhere()
	if n := tr.dialled.Load(); n != 0 {
		t.Errorf("%d connections were made for ids that nobody signed", n)
	}
	if n := strings.Count(m.log.String(), "--secret probably differs"); n != 1 {
		t.Errorf("the warning was logged %d times: %s", n, m.log)
	}
	if strings.Contains(m.log.String(), forged) {
		t.Error("a session id was logged")
	}
}

func TestNodesWithDifferentSecrets(t *testing.T) {
	home, other := newMember(t, setup{}), newMember(t, setup{secret: "quite another secret"})
	p := joined(t, home.url())
	q := stranger(t, other, p.sid)
	q.refusedEverywhere()
	if !strings.Contains(other.log.String(), "--secret probably differs") {
		t.Errorf("log: %s", other.log)
	}
	p.post(`42["say",1]`)
	p.want(`42["echo",1]`)
}

func TestAnIDOfThisVeryNodeIsNotForwarded(t *testing.T) {
	m := newMember(t, setup{})
	stranger(t, m, sidOf(t, secretText, m.addr)).refusedEverywhere()
	plain := newMember(t, setup{plain: true})
	p := joined(t, plain.url())
	if len(p.sid) != 20 {
		t.Errorf("a plain id of %d characters", len(p.sid))
	}
	stranger(t, m, p.sid).refusedEverywhere()
	for _, n := range []*member{m, plain} {
		if st := n.forward.Stats(); st.Forwarded+st.Failed+st.Refused != 0 {
			t.Errorf("%+v", st)
		}
	}
	// A node without an address of its own still forwards to others.
	q := joined(t, m.url())
	q.base = plain.url()
	q.post(`42["say",1]`)
	q.want(`42["echo",1]`)
}

func TestADeadNodeIsClearToItsClients(t *testing.T) {
	home, other := newMember(t, setup{}), newMember(t, setup{forward: quick})
	p := joined(t, home.url())
	q := stranger(t, other, p.sid)
	q.post(`42["say",1]`)
	q.want(`42["echo",1]`)
	home.stop(t)
	q.refusedEverywhere()
	if st := other.forward.Stats(); st.Failed != 3 || strings.Count(other.log.String(), "could not forward") != 1 {
		t.Errorf("%+v, log %s", st, other.log)
	}
	q = joined(t, other.url()) // what the client does next
	q.post(`42["say",2]`)
	q.want(`42["echo",2]`)
}

func TestAPausedNodeIsGivenUp(t *testing.T) {
	noLeak(t)
	tr := newTrap(t, func(net.Conn) {}) // takes connections, and never answers
	m := newMember(t, setup{forward: quick})
	stranger(t, m, sidOf(t, secretText, tr.Addr().String())).refusedEverywhere()
	if st := m.forward.Stats(); st.Failed != 3 || st.Open != 0 {
		t.Errorf("%+v", st)
	}
}

func TestWhatTookANodesAddressIsNotPassedOn(t *testing.T) {
	for name, answer := range map[string]string{
		"a web server":     "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nSet-Cookie: a=b\r\n\r\nsecret",
		"a websocket":      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		"not HTTP":         "SSH-2.0-nothing\r\n",
		"an endless head":  "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 100<<10),
		"an echoed header": "HTTP/1.1 200 OK\r\nHubbub-Hop: 1 2 3 4\r\nContent-Length: 6\r\n\r\nsecret",
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrap(t, func(c net.Conn) {
				buf := make([]byte, 4<<10)
				if _, err := c.Read(buf); err == nil {
					_, _ = io.WriteString(c, answer)
				}
				_, _ = io.Copy(io.Discard, c)
			})
			m := newMember(t, setup{forward: quick})
			p := stranger(t, m, sidOf(t, secretText, tr.Addr().String()))
			res, body := p.answer(http.MethodGet, "")
			if res.StatusCode != 400 || refusal(t, body) != 1 || len(res.Cookies()) > 0 {
				t.Errorf("%d %s %v", res.StatusCode, body, res.Header)
			}
			p.refusedEverywhere()
		})
	}
}

func TestForgedAndReplayedMarks(t *testing.T) {
	m := newMember(t, setup{perClient: 2})
	p := joined(t, m.url())
	s, _ := auth.NewSecret(secretText)
	wrong, _ := auth.NewSecret("another secret here")
	at := func(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }
	client := netip.MustParseAddr("203.0.113.9")
	good := auth.NewHops(s, nil).Mark(p.sid, client)
	for name, mark := range map[string]string{
		"of another session": auth.NewHops(s, nil).Mark(p.sid+"A", client),
		"too old":            auth.NewHops(s, at(-10*time.Minute)).Mark(p.sid, client),
		"of the future":      auth.NewHops(s, at(10*time.Minute)).Mark(p.sid, client),
		"another secret":     auth.NewHops(wrong, nil).Mark(p.sid, client),
		"address changed":    strings.Replace(good, "203.0.113.9", "203.0.113.8", 1),
		"cut":                good[:len(good)-1],
		"nonsense":           "1",
		"long":               strings.Repeat("1 ", 500),
	} {
		if status, body := p.do(http.MethodPost, "3", auth.HopHeader, mark); status != 400 || refusal(t, body) != 1 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	// Without a session there is nothing to forward: a mark opens none, and chooses no address to be counted under.
	q := stranger(t, m, "")
	if status, body := q.do(http.MethodGet, "", auth.HopHeader, good); status != 400 || refusal(t, body) != 1 {
		t.Errorf("a handshake with a mark: %d %s", status, body)
	}
	if n := m.forward.Stats().Refused; n != 9 {
		t.Errorf("%d refused", n)
	}
	p.post(`42["say",1]`)
	p.want(`42["echo",1]`)
}

func TestOneHopAtMost(t *testing.T) {
	a, b, c := newMember(t, setup{}), newMember(t, setup{}), newMember(t, setup{})
	p := joined(t, c.url())
	s, _ := auth.NewSecret(secretText)
	mark := auth.NewHops(s, nil).Mark(p.sid, netip.Addr{}) // as if a had forwarded it to b, and b were to forward it to c
	q := stranger(t, b, p.sid)
	if status, body := q.do(http.MethodPost, "3", auth.HopHeader, mark); status != 400 || refusal(t, body) != 1 {
		t.Errorf("%d %s", status, body)
	}
	for _, m := range []*member{a, b} {
		if st := m.forward.Stats(); st.Forwarded != 0 {
			t.Errorf("%+v", st)
		}
	}
	p.post(`42["say",1]`) // and the session has not felt it
	p.want(`42["echo",1]`)
}
