package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"

	"github.com/hubbub-chat/hubbub/internal/client"
)

const (
	slowMessages = 1000
	slowSize     = 16 << 10 // bytes of a text
	slowRate     = 4 << 20  // bytes a second: the replay takes some seconds, and is many times what may wait in a queue
)

// throttled is a connection whose reader takes its time, behind a small buffer.
type throttled struct{ net.Conn }

func throttle(c net.Conn) net.Conn {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetReadBuffer(32 << 10)
	}
	return throttled{c}
}

func (c throttled) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), 32<<10)])
	<-time.After(time.Duration(n) * time.Second / slowRate)
	return n, err
}

// slowReader is a client that resumes a room on a slow link, as an official one does: it comes back after a close, with the place of the
// last event it got.
type slowReader struct {
	t      *testing.T
	n      *running
	room   string
	token  string
	since  int64
	closes int
	got    []event
	gaps   []event
	listed []string
	open   func() (hear func() (string, bool), say func(string))
}

func (r *slowReader) overWebsocket() (hear func() (string, bool), say func(string)) {
	conn, err := net.Dial("tcp", r.n.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	s := r.n.upgrade(throttle(conn), nil, "")
	s.SetDeadline(time.Now().Add(2 * time.Minute))
	return func() (string, bool) {
		data, _, err := wsutil.ReadServerData(both{s.in, s.Conn})
		return string(data), err == nil
	}, s.say
}

func (r *slowReader) overPolling() (hear func() (string, bool), say func(string)) {
	var d net.Dialer
	p := &poller{t: r.t, base: "http://" + r.n.addr + handshake, via: http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return throttle(c), nil
		}}}}
	r.t.Cleanup(p.via.CloseIdleConnections)
	_, open, _ := p.do(http.MethodGet, "")
	p.base += "&sid=" + part(r.t, open, "sid")
	return func() (string, bool) {
		if len(p.queue) == 0 {
			status, text, _ := p.do(http.MethodGet, "")
			if status != http.StatusOK {
				return "", false
			}
			p.queue = strings.Split(text, "\x1e")
		}
		packet := p.queue[0]
		p.queue = p.queue[1:]
		return packet, true
	}, func(packet string) { p.say(packet) }
}

// run reads until the text `last`, then lists the newest 100 in pages.
func (r *slowReader) run(last string) (listed []string) {
	for {
		hear, say := r.open()
		say("40" + quoted(map[string]any{"token": r.token, "since": map[string]any{r.room: r.since}}))
		if r.read(hear, say, func(e event) bool { return e.Text == last }) {
			return r.list(hear, say)
		}
		if r.closes++; r.closes > 1 {
			r.t.Fatalf("closed %d times, after %d messages", r.closes, len(r.got))
		}
	}
}

// read takes events until one fits; false: the connection ended.
func (r *slowReader) read(hear func() (string, bool), say func(string), fits func(event) bool) bool {
	for {
		packet, ok := hear()
		switch {
		case !ok, strings.HasPrefix(packet, "41"), packet == "1":
			return false
		case packet == "2":
			say("3")
		case strings.HasPrefix(packet, "44"):
			r.t.Fatal(packet)
		}
		e, ok := asEvent(packet)
		if !ok || e.RoomID != r.room {
			continue
		}
		switch {
		case e.Name == "gap":
			r.gaps = append(r.gaps, e)
			r.since = e.To
		case e.Seq > 0:
			if e.Seq <= r.since {
				r.t.Fatalf("%d came after %d", e.Seq, r.since)
			}
			r.since = e.Seq
			r.got = append(r.got, e)
			if fits(e) {
				return true
			}
		}
	}
}

// asEvent takes an event apart; its long text is cut first, since the race detector makes reading it dear.
func asEvent(packet string) (e event, ok bool) {
	packet = strings.Replace(packet, tail, "", 1)
	var parts []json.RawMessage
	if !strings.HasPrefix(packet, "42[") || json.Unmarshal([]byte(packet[2:]), &parts) != nil || len(parts) != 2 {
		return e, false
	}
	ok = json.Unmarshal(parts[1], &e) == nil && json.Unmarshal(parts[0], &e.Name) == nil
	return e, ok
}

func (r *slowReader) list(hear func() (string, bool), say func(string)) (texts []string) {
	before := r.since + 1
	for ask := 100; len(texts) < 100; ask++ {
		say(fmt.Sprintf(`42%d["message:list",{"roomId":%q,"before":%d,"limit":%d}]`, ask, r.room, before, 100-len(texts)))
		var packet string
		for ok := true; !strings.HasPrefix(packet, fmt.Sprintf("43%d[", ask)); {
			if packet, ok = hear(); !ok {
				r.t.Fatal("closed while it lists")
			}
		}
		packet = strings.ReplaceAll(packet, tail, "")
		var answer [1]struct {
			Data struct {
				Messages []event
				HasMore  bool
			}
		}
		if err := json.Unmarshal([]byte(packet[strings.Index(packet, "["):]), &answer); err != nil || len(answer[0].Data.Messages) == 0 {
			r.t.Fatalf("a page: %v %.300s", err, packet)
		}
		page := answer[0].Data.Messages
		before = page[0].Seq
		older := make([]string, 0, 100)
		for _, m := range page {
			older = append(older, m.Text)
		}
		texts = append(older, texts...)
	}
	return texts
}

// A thousand long messages to readers on a slow link, on both transports at once: each is closed at most once and ends with all of it, or
// with a gap and pages; who talks in the room meanwhile does not notice. See cases.md 4.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	n := start(t, "--events-per-socket", "100000", "--events-per-user", "100000")
	ada, bob := n.guest("Ada"), n.guest("Bob")
	room := ada.create("room", false)
	asOf := bob.must("room:join", map[string]any{"roomId": room})["asOf"].(float64)
	ada.Close()
	bob.Close()
	fill(t, ada.again(), room)
	ada, bob = ada.again(), bob.again()
	for _, p := range []*person{ada, bob} {
		p.must("room:open", map[string]any{"roomId": room, "limit": 1})
	}
	readers := []*slowReader{{}, {}}
	for i, r := range readers {
		*r = slowReader{t: t, n: n, room: room, token: bob.token, since: int64(asOf)}
		r.open = []func() (func() (string, bool), func(string)){r.overWebsocket, r.overPolling}[i]
	}

	var ended sync.WaitGroup
	talked := make(chan time.Duration, 1)
	for _, r := range readers {
		ended.Go(func() { r.listed = r.run("the end") })
	}
	stop := make(chan struct{})
	go func() { talked <- talk(ada, bob, room, stop) }()
	<-time.After(time.Second)
	close(stop)
	worst := <-talked
	ada.send(room, "the end")
	ended.Wait()
	if worst > 3*time.Second {
		t.Errorf("a live message took %v while slow readers resumed", worst)
	}
	for i, r := range readers {
		if len(r.listed) != 100 || r.listed[99] != "the end" {
			t.Fatalf("reader %d listed %d texts", i, len(r.listed))
		}
		count := map[string]int{}
		for _, e := range r.got {
			if e.Name == "message:new" {
				head, _, _ := strings.Cut(e.Text, " ")
				count[head]++
			}
		}
		whole := 0
		for m := range slowMessages {
			if c := count[strings.TrimSpace(name(m))]; c > 1 {
				t.Errorf("reader %d got message %d %d times", i, m, c)
			} else {
				whole += c
			}
		}
		if whole != slowMessages && len(r.gaps) == 0 {
			t.Errorf("reader %d got %d of %d messages and no gap", i, whole, slowMessages)
		}
		t.Logf("reader %d: %d of %d messages, %d gaps, %d closes", i, whole, slowMessages, len(r.gaps), r.closes)
	}
}

func name(i int) string { return fmt.Sprintf("m%04d ", i) }

// tail is what makes a message long.
var tail = strings.Repeat("x", slowSize-len(name(0)))

// fill sends the long messages, and waits until all are acked.
func fill(t *testing.T, p *person, room string) {
	t.Helper()
	answers := make(chan error, slowMessages)
	waiting := 0
	for i := range slowMessages {
		p.Emit("message:send", map[string]any{"roomId": room, "clientId": newID(), "text": name(i) + tail}, func(a json.RawMessage, err error) {
			if err == nil {
				_, err = client.Answer(a)
			}
			answers <- err
		})
		if waiting++; waiting >= 32 { // less than what may wait for its turn
			if err := <-answers; err != nil {
				t.Fatal(err)
			}
			waiting--
		}
	}
	for ; waiting > 0; waiting-- {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
}

// talk sends small messages, one after the other, and gives the longest time until the other heard one.
func talk(from, to *person, room string, stop <-chan struct{}) (worst time.Duration) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return worst
		case <-time.After(20 * time.Millisecond):
		}
		text, begin := fmt.Sprint("live", i), time.Now()
		if _, err := from.ask("message:send", map[string]any{"roomId": room, "clientId": newID(), "text": text}); err != nil {
			from.t.Errorf("a live message: %v", err)
			return worst
		}
		to.await("message:new", func(e event) bool { return e.Text == text })
		worst = max(worst, time.Since(begin))
	}
}
