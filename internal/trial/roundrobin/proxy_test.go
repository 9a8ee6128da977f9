package roundrobin_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/hubbub-chat/hubbub/internal/trial/roundrobin"
)

// node is a server that says its name and what it was sent; on /ws it echoes over a websocket.
func node(t *testing.T, name string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			conn, _, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				return
			}
			defer conn.Close()
			for {
				text, op, err := wsutil.ReadClientData(conn)
				if err != nil || wsutil.WriteServerMessage(conn, op, append([]byte(name+" "), text...)) != nil {
					return
				}
			}
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s", name, r.Method, r.URL.RequestURI(), r.Host, body)
	}))
	t.Cleanup(s.Close)
	return s
}

func addr(s *httptest.Server) string { return s.Listener.Addr().String() }

// dead is an address that nobody listens on.
func dead(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func front(t *testing.T, nodes ...string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(roundrobin.New(nodes))
	t.Cleanup(s.Close)
	return s
}

func TestEachRequestGoesToTheNextNode(t *testing.T) {
	proxy := front(t, addr(node(t, "a")), addr(node(t, "b")), addr(node(t, "c")))
	var order []string
	for range 6 {
		status, text := ask(t, http.MethodGet, proxy.URL+"/socket.io/?sid=one%2Ftwo", "")
		name, rest, _ := strings.Cut(text, " ")
		if want := "GET /socket.io/?sid=one%2Ftwo " + addr(proxy) + " "; status != http.StatusOK || rest != want {
			t.Errorf("%d %q, want %q", status, rest, want)
		}
		order = append(order, name)
	}
	if got := strings.Join(order, ""); got != "abcabc" {
		t.Errorf("the order is %s", got)
	}
}

func TestANodeThatDoesNotAcceptIsSkippedAndTheBodyArrivesWhole(t *testing.T) {
	p := roundrobin.New([]string{dead(t), addr(node(t, "b")), dead(t)})
	proxy := httptest.NewServer(p)
	defer proxy.Close()
	body := strings.Repeat("x", 100_000)
	for range 6 {
		if status, text := ask(t, http.MethodPost, proxy.URL+"/", body); status != http.StatusOK || !strings.HasPrefix(text, "b POST /") || !strings.HasSuffix(text, body) {
			t.Fatalf("%d %.40q, %d bytes", status, text, len(text))
		}
	}
	if c := p.Counts(); c[0] != 0 || c[1] != 6 || c[2] != 0 {
		t.Errorf("counted %v", c)
	}
}

func TestWithoutALivingNodeTheAnswerIs502(t *testing.T) {
	proxy := front(t, dead(t), dead(t))
	if status, _ := ask(t, http.MethodGet, proxy.URL+"/", ""); status != http.StatusBadGateway {
		t.Errorf("answered %d", status)
	}
}

// A request that a node took and then died over is not given to another: its effect is unknown.
func TestWhatWasSentIsNotSentAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 4096)
			_, _ = c.Read(buffer)
			c.Close()
		}
	}()
	p := roundrobin.New([]string{l.Addr().String(), addr(node(t, "b"))})
	proxy := httptest.NewServer(p)
	defer proxy.Close()
	if status, _ := ask(t, http.MethodGet, proxy.URL+"/", ""); status != http.StatusBadGateway {
		t.Errorf("answered %d", status)
	}
	if c := p.Counts(); c[1] != 0 {
		t.Error("the other node got it too")
	}
}

func TestWebsocketsPassAndEndWithEitherSide(t *testing.T) {
	proxy := front(t, dead(t), addr(node(t, "b")))
	conn, _, _, err := ws.Dial(t.Context(), "ws://"+addr(proxy)+"/ws")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	for i := range 3 {
		text := fmt.Sprint("hello ", i)
		if err := wsutil.WriteClientText(conn, []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := wsutil.ReadServerText(conn)
		if err != nil || string(got) != "b "+text {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	p := roundrobin.New([]string{addr(node(t, "a")), addr(node(t, "b"))})
	proxy := httptest.NewServer(p)
	defer proxy.Close()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 10 {
				ask(t, http.MethodGet, proxy.URL+"/", "")
			}
		})
	}
	all.Wait()
	if c := p.Counts(); c[0] != 100 || c[1] != 100 {
		t.Errorf("shared as %v", c)
	}
}
