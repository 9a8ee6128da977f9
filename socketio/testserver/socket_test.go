package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

// The second half: Socket.IO itself.

func TestConnect(t *testing.T) {
	base := quiet(t)
	for _, c := range []struct{ connect, prefix, auth string }{
		{`40`, `40`, `42["auth",{}]`},
		{`40{"token":"123"}`, `40`, `42["auth",{"token":"123"}]`},
		{`40/custom,`, `40/custom,`, `42/custom,["auth",{}]`},
		{`40/custom,{"token":"abc"}`, `40/custom,`, `42/custom,["auth",{"token":"abc"}]`},
	} {
		s := rawclient.Open(t, base)
		s.Send(c.connect)
		answer := s.Next()
		var fields map[string]string
		payload, ok := strings.CutPrefix(answer, c.prefix)
		if !ok || json.Unmarshal([]byte(payload), &fields) != nil || len(fields) != 1 || len(fields["sid"]) < 20 {
			t.Errorf("%s: answered with %s", c.connect, answer)
		}
		s.Want(c.auth)
	}
}

func TestUnknownNamespace(t *testing.T) {
	s := rawclient.Open(t, quiet(t))
	s.Send("40/random")
	s.Want(`44/random,{"message":"Invalid namespace"}`)
}

func TestMalformedConnect(t *testing.T) {
	s := rawclient.Open(t, quiet(t))
	s.Send("4abc")
	s.WantClosed()
}

func TestNoConnect(t *testing.T) {
	rawclient.Open(t, start(t, "-ping-interval=1m", "-connect-timeout=100ms")).WantClosed()
}

// connected joins the main namespace and takes the auth event.
func connected(t *testing.T, base string) *rawclient.Socket {
	t.Helper()
	s := rawclient.Join(t, base, "40")
	s.Want(`42["auth",{}]`)
	return s
}

func TestLeavingKeepsTheConnection(t *testing.T) {
	s := connected(t, start(t, "-ping-interval=1s", "-ping-timeout=1m"))
	s.Send("41")
	s.Want("2") // it lives
}

func TestLeavingOneNamespaceKeepsTheOther(t *testing.T) {
	s := connected(t, quiet(t))
	s.Send("40/custom")
	if answer := s.Next(); !strings.HasPrefix(answer, "40/custom,{") {
		t.Fatalf("got %s", answer)
	}
	s.Want(`42/custom,["auth",{}]`)
	s.Send("41/custom")
	s.Send(`42["message","message to main namespace"]`)
	s.Want(`42["message-back","message to main namespace"]`)
}

func TestMessages(t *testing.T) {
	s := connected(t, quiet(t))
	for sent, want := range map[string]string{
		`42["message",1,"2",{"3":[true]}]`:              `42["message-back",1,"2",{"3":[true]}]`,
		`42456["message-with-ack",1,"2",{"3":[false]}]`: `43456[1,"2",{"3":[false]}]`,
	} {
		s.Send(sent)
		s.Want(want)
	}
}

func TestBinaryMessages(t *testing.T) {
	s := connected(t, quiet(t))
	const holes = `{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}`
	for sent, want := range map[string]string{
		`452-["message",` + holes + `]`:             `452-["message-back",` + holes + `]`,
		`452-789["message-with-ack",` + holes + `]`: `462-789[` + holes + `]`,
	} {
		s.Send(sent)
		s.SendBinary([]byte{1, 2, 3})
		s.SendBinary([]byte{4, 5, 6})
		s.Want(want)
		if a, b := s.NextBinary(), s.NextBinary(); !bytes.Equal(a, []byte{1, 2, 3}) || !bytes.Equal(b, []byte{4, 5, 6}) {
			t.Errorf("%s: attachments %v %v", sent, a, b)
		}
	}
}

func TestMalformedPackets(t *testing.T) {
	base := quiet(t)
	for _, text := range []string{`4abc`, `42{}`, `42abc["message-with-ack",1,"2",{"3":[false]}]`} {
		s := connected(t, base)
		s.Send(text)
		s.WantClosed()
	}
}

// The other fixture sends back what it gets.
func TestEngineEcho(t *testing.T) {
	s := rawclient.Open(t, strings.Replace(quiet(t), "/socket.io/", "/engine.io/", 1))
	s.Send("4hello")
	s.Want("4hello")
	s.SendBinary([]byte{1, 2})
	if got := s.NextBinary(); !bytes.Equal(got, []byte{1, 2}) {
		t.Errorf("got %v", got)
	}
}

func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-listen", "127.0.0.1:0"}) }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := run(t.Context(), []string{"-listen", taken.Addr().String()}); err == nil {
		t.Error("an address in use was accepted")
	}
	if err := run(t.Context(), []string{"-nonsense"}); err == nil {
		t.Error("an unknown flag was accepted")
	}
}
