package badinput_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// sluggard is a row of those who begin and do not go on: what is written, after which nothing comes any more. The server ends the
// connection; says is what it answers before that, if anything.
type sluggard struct {
	name  string
	write string
	frame []byte // on a websocket, which write opens
	says  string
}

func sluggards() []sluggard {
	const crlf = "\r\nHost: chat\r\n"
	socket := strings.ReplaceAll("GET "+handshake+"websocket HTTP/1.1\nHost: chat"+upgradeHeaders+"\n\n", "\n", "\r\n")
	return []sluggard{
		{"nothing at all", "", nil, ""},
		{"half of the first line", "GET /socket", nil, ""},
		{"headers without an end", "GET / HTTP/1.1" + crlf + "X: ", nil, ""},
		{"a body that does not come", "POST " + handshake + "polling&sid=$poll HTTP/1.1" + crlf + "Content-Length: 50\r\n\r\n42", nil, "400"},
		{"a body for the page", "POST / HTTP/1.1" + crlf + "Content-Length: 50\r\n\r\nx", nil, "405"},
		{"chunks that do not end", "POST " + handshake + "polling&sid=$poll HTTP/1.1" + crlf + "Transfer-Encoding: chunked\r\n\r\n2\r\n42\r\n", nil, "400"},
		{"a websocket without an answer to a ping", socket, nil, `"pingInterval":5000`},
		{"half a frame", socket, frame(0x81, 100, "", "42")[:8], `"pingInterval":5000`},
		{"half a message", socket, part(1, false, "40{"), `"pingInterval":5000`},
		{"an upgrade without an end", strings.Replace(socket, "transport=websocket", "transport=websocket&sid=$poll", 1), part(1, true, "2probe"), "3probe"},
	}
}

// slowness begins with all of them at once; the test goes on meanwhile. wait gives how many there were once the server has ended each.
func slowness(t *testing.T, w *world) (wait func(t *testing.T) int) {
	t.Helper()
	type result struct {
		name string
		err  error
	}
	rows := sluggards()
	results := make(chan result, len(rows))
	for _, s := range rows {
		text := s.write
		if strings.Contains(text, "$poll") {
			text = strings.ReplaceAll(text, "$poll", w.polling(t))
		}
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		go func() { results <- result{s.name, linger(conn, text, s)} }()
	}
	return func(t *testing.T) int {
		for range rows {
			if r := <-results; r.err != nil {
				t.Errorf("%s: %v", r.name, r.err)
			}
		}
		return len(rows)
	}
}

// linger writes what a sluggard writes and reads until the server has had enough.
func linger(conn net.Conn, text string, s sluggard) error {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	if s.frame != nil {
		if _, err := conn.Write(s.frame); err != nil {
			return err
		}
	}
	answer, err := io.ReadAll(conn)
	var ne net.Error
	switch {
	case errors.As(err, &ne) && ne.Timeout():
		return errors.New("the connection stays open")
	case !strings.Contains(string(answer), s.says):
		return errors.New("the answer is " + string(answer))
	}
	return nil
}
