package hostile

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

const within = 20 * time.Second // of an answer that must come

// wire is one websocket that is read only when somebody reads it.
type wire struct {
	net.Conn
	in *bufio.Reader
}

// distant makes a connection look like one over a real network to a small machine: a receive buffer of some kilobytes, and segments of
// 536 bytes. The kernel makes the server's send buffer as large as the segments let it: with loopback's of 64 KiB it would keep 2.6 MB for a
// client that does not read, and the server would notice only after minutes.
func distant(network, address string, c syscall.RawConn) error {
	var bad error
	err := c.Control(func(fd uintptr) {
		bad = errors.Join(syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 536))
	})
	return errors.Join(err, bad)
}

// dial opens a websocket; small: as one that is far away and has little memory.
func dial(ctx context.Context, addr string, small bool) (*wire, error) {
	d := ws.Dialer{Timeout: within, NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		if small {
			d.Control = distant
		}
		return d.DialContext(ctx, network, addr)
	}}
	conn, in, _, err := d.Dial(ctx, "ws://"+addr+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return nil, err
	}
	if in == nil {
		in = bufio.NewReaderSize(conn, 4<<10)
	}
	return &wire{conn, in}, nil
}

// enter dials and connects; it gives the token of a new guest, or the one presented.
func enter(ctx context.Context, addr string, small bool, auth map[string]any) (w *wire, token string, err error) {
	if w, err = dial(ctx, addr, small); err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	body, err := json.Marshal(auth)
	if err != nil {
		return nil, "", err
	}
	if err = w.say("40" + string(body)); err != nil {
		return nil, "", err
	}
	w.SetReadDeadline(time.Now().Add(within))
	for {
		packet, err := w.hear()
		switch {
		case err != nil:
			return nil, "", fmt.Errorf("no session: %w", err)
		case strings.HasPrefix(packet, "44"):
			return nil, "", fmt.Errorf("refused: %.200s", packet)
		}
		name, data := event(packet)
		if name != "session" {
			continue
		}
		var session struct{ Token string }
		if err = json.Unmarshal(data, &session); err == nil && session.Token == "" {
			session.Token, _ = auth["token"].(string)
		}
		w.SetReadDeadline(time.Time{})
		return w, session.Token, err
	}
}

// readWriter reads what the dialer has buffered first, and answers websocket pings.
type readWriter struct {
	*bufio.Reader
	net.Conn
}

func (rw readWriter) Read(p []byte) (int, error) { return rw.Reader.Read(p) }

// hear gives the next packet, and answers heartbeats.
func (w *wire) hear() (string, error) {
	for {
		data, _, err := wsutil.ReadServerData(readWriter{w.in, w.Conn})
		switch {
		case err != nil:
			return "", err
		case string(data) == "2":
			if err := w.say("3"); err != nil {
				return "", err
			}
		case string(data) == "1", strings.HasPrefix(string(data), "41"):
			return "", errors.New("disconnected by the server")
		default:
			return string(data), nil
		}
	}
}

func (w *wire) say(packet string) error {
	w.SetWriteDeadline(time.Now().Add(within))
	return wsutil.WriteClientText(w.Conn, []byte(packet))
}

// ask sends a request and waits for its answer; what comes in between goes to on.
func (w *wire) ask(id int, name string, payload any, on func(packet string)) (json.RawMessage, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	if err := w.say(fmt.Sprintf(`42%d[%q,%s]`, id, name, body)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	w.SetReadDeadline(time.Now().Add(within))
	defer w.SetReadDeadline(time.Time{})
	for {
		packet, err := w.hear()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		rest, ok := strings.CutPrefix(packet, "43"+strconv.Itoa(id)+"[")
		if !ok {
			on(packet)
			continue
		}
		var a struct {
			OK    bool
			Data  json.RawMessage
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(strings.TrimSuffix(rest, "]")), &a); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !a.OK {
			return nil, fmt.Errorf("%s: %s: %s", name, a.Error.Code, a.Error.Message)
		}
		return a.Data, nil
	}
}

// patient is ask, again and again while the server says that it is asked too often.
func (w *wire) patient(ctx context.Context, name string, payload any) (json.RawMessage, error) {
	for {
		data, err := w.ask(1, name, payload, nothing)
		if err == nil || !strings.Contains(err.Error(), "rate_limited") || ctx.Err() != nil {
			return data, err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// event takes an event packet apart; the name is empty if it is none.
func event(packet string) (name string, data json.RawMessage) {
	var parts []json.RawMessage
	if !strings.HasPrefix(packet, "42[") || json.Unmarshal([]byte(packet[2:]), &parts) != nil || len(parts) != 2 || json.Unmarshal(parts[0], &name) != nil {
		return "", nil
	}
	return name, parts[1]
}

func nothing(string) {}
