package httpd_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/internal/httpd"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// talk sends texts, a binary event and a large event through a polling session and wants their echoes, in order.
func talk(p *poller) {
	p.t.Helper()
	for i := range 20 {
		p.post(fmt.Sprintf(`42["say",%d,"é 漢"]`, i), fmt.Sprintf(`42%d["ask",%d]`, i, i))
		p.want(fmt.Sprintf(`42["echo",%d,"é 漢"]`, i), fmt.Sprintf(`42["echo",%d]`, i), fmt.Sprintf(`43%d[1]`, i))
	}
	picture := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0, 1, 0x1e, 0xff}, 5000))
	p.post(`451-["say",{"_placeholder":true,"num":0}]`, "b"+picture)
	p.want(`451-["echo",{"_placeholder":true,"num":0}]`, "b"+picture)
	large := strings.Repeat("漢字 and more ", 50_000)
	p.post(`42["say","` + large + `"]`)
	p.want(`42["echo","` + large + `"]`)
}

func TestAPollingClientThroughARoundRobinProxy(t *testing.T) {
	noLeak(t)
	nodes := []*member{newMember(t, setup{}), newMember(t, setup{}), newMember(t, setup{})}
	base := roundRobin(t, nodes...)
	p := joined(t, base)
	talk(p)
	if len(p.sid) > 120 || strings.Trim(p.sid, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		t.Errorf("a session id of %d characters, or not URL-safe", len(p.sid))
	}
	sum := int64(0)
	for _, n := range nodes {
		st := n.forward.Stats()
		sum += st.Forwarded
		if st.Failed != 0 || st.Refused != 0 || strings.Contains(n.log.String(), p.sid) {
			t.Errorf("%+v, log %s", st, n.log)
		}
	}
	if sum < 20 {
		t.Errorf("only %d requests were forwarded", sum)
	}
}

func TestAnUpgradeThroughAnotherNode(t *testing.T) {
	noLeak(t)
	home, other := newMember(t, setup{}), newMember(t, setup{})
	p := joined(t, home.url())
	p.base = other.url()
	p.post(`42["say","by polling"]`)
	c := p.upgrade(other.url())
	c.want(`42["echo","by polling"]`)
	for i := range 50 {
		c.send(fmt.Sprintf(`42["say",%d]`, i))
	}
	for i := range 50 {
		c.want(fmt.Sprintf(`42["echo",%d]`, i))
	}
	picture := bytes.Repeat([]byte{0, 1, 0x1e, 0xff}, 100_000)
	c.send(`451-["say",{"_placeholder":true,"num":0}]`)
	c.sendBinary(picture)
	c.want(`451-["echo",{"_placeholder":true,"num":0}]`)
	if got, binary, err := c.read(); err != nil || !binary || !bytes.Equal(got, picture) {
		t.Fatalf("%d bytes, binary %v, %v", len(got), binary, err)
	}
	if st := other.forward.Stats(); st.Open != 1 {
		t.Errorf("%+v, want one websocket open", st)
	}
	if status, body := p.do(http.MethodGet, ""); status != 400 || refusal(t, body) != 3 {
		t.Errorf("a poll after the upgrade: %d %s", status, body)
	}
	c.send("1") // the client leaves
	c.wantEnd()
	c.conn.Close()
	eventually(t, "the session and the websocket are gone", func() bool {
		return home.sockets.Connections() == 0 && other.forward.Stats().Open == 0
	})
}

func TestEitherEndOfAForwardedWebsocketEndsTheOther(t *testing.T) {
	noLeak(t)
	home, other := newMember(t, setup{}), newMember(t, setup{})
	p := joined(t, home.url())
	c := p.upgrade(other.url())
	c.send(`42["say",1]`)
	c.want(`42["echo",1]`)
	c.conn.Close()
	eventually(t, "the client's hanging up reaches the node", func() bool { return home.sockets.Connections() == 0 })

	p = joined(t, home.url())
	c = p.upgrade(other.url())
	c.send(`42["say",1]`)
	c.want(`42["echo",1]`)
	for _, s := range home.sockets.Of("/").Sockets() {
		_ = s.Emit("last", "words")
		s.CloseTransport(engineio.ShuttingDown)
	}
	c.want(`42["last","words"]`)
	c.wantEnd()
	eventually(t, "nothing is left", func() bool { return other.forward.Stats().Open == 0 })
}

func TestAPollWaitsAcrossNodesAndEndsWithItsClient(t *testing.T) {
	noLeak(t)
	home, other := newMember(t, setup{}), newMember(t, setup{})
	p := joined(t, home.url())
	p.base = other.url()
	got := make(chan string, 1)
	go func() { got <- p.next() }()
	eventually(t, "the poll waits", func() bool { return other.forward.Stats().Open == 1 })
	select {
	case early := <-got:
		t.Fatalf("the poll was answered %s", early)
	default:
	}
	_ = home.sockets.Of("/").Emit("news", 1)
	if packet := <-got; packet != `42["news",1]` {
		t.Fatalf("got %s", packet)
	}
	eventually(t, "the poll is over", func() bool { return other.forward.Stats().Open == 0 }) // its answer may be here before that
	// A client that hangs up on its poll ends its session, as it does on its own node.
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url(), nil)
	ctx, cancel := contextOf(req)
	done := make(chan error, 1)
	go func() {
		_, err := p.http.Do(req.WithContext(ctx))
		done <- err
	}()
	eventually(t, "the second poll waits", func() bool { return other.forward.Stats().Open == 1 })
	cancel()
	<-done
	eventually(t, "the session is gone", func() bool { return home.sockets.Connections() == 0 })
	p.gone()
}

func TestPayloadsAreBoundedThroughAnotherNode(t *testing.T) {
	home, other := newMember(t, setup{}), newMember(t, setup{})
	p := joined(t, home.url())
	p.base = other.url()
	big := "4" + strings.Repeat("x", 1_000_000)
	if status, body := p.do(http.MethodPost, big); status != 413 {
		t.Errorf("%d %.200s", status, body)
	}
	// The same without a length.
	req, _ := http.NewRequest(http.MethodPost, p.url(), struct{ *strings.Reader }{strings.NewReader(big)})
	req.ContentLength = -1
	res, err := p.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("chunked: %d", res.StatusCode)
	}
	p.post(`42["say","still here"]`)
	p.want(`42["echo","still here"]`)
}

func TestNodesReachEachOtherByIPv6AndTLS(t *testing.T) {
	for name, s := range map[string]setup{"IPv6": {listen: "[::1]:0"}, "TLS": {tls: true}} {
		t.Run(name, func(t *testing.T) {
			home := newMember(t, s)
			other := newMember(t, setup{forward: func(c *httpd.Forwarding) {
				if s.tls {
					pool := x509.NewCertPool()
					pool.AddCert(home.http.Certificate())
					c.TLS = &tls.Config{RootCAs: pool}
				}
			}})
			p := stranger(t, other, openOn(t, home))
			p.post("40")
			if got := p.next(); !strings.HasPrefix(got, "40{") {
				t.Fatalf("got %s", got)
			}
			talk(p)
			c := p.upgrade(other.url())
			c.send(`42["say",1]`)
			c.want(`42["echo",1]`)
			doubting := newMember(t, setup{}) // which does not know the certificate's authority
			if s.tls {
				q := stranger(t, doubting, openOn(t, home))
				q.gone()
				if _, err := dialWS(t, doubting.url(), q.sid, ws.Dialer{}); err == nil {
					t.Error("a websocket to a node whose certificate is not believed")
				}
			}
		})
	}
}
