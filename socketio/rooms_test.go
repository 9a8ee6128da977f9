package socketio_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

// crowd connects n clients; their sockets have the same indices.
func crowd(t testing.TB, f *fixture, n int) ([]*rawclient.Socket, []*socketio.Socket) {
	t.Helper()
	clients, sockets := make([]*rawclient.Socket, n), make([]*socketio.Socket, n)
	for i := range n {
		clients[i], sockets[i] = f.joined(t)
	}
	return clients, sockets
}

// heard tells which of the clients got the event, and that none got it twice: each has an end mark behind it.
func heard(t *testing.T, f *fixture, clients []*rawclient.Socket, event string) string {
	t.Helper()
	if err := f.root.Emit("end"); err != nil {
		t.Fatal(err)
	}
	var who string
	for i, c := range clients {
		for text := c.Next(); text != `42["end"]`; text = c.Next() {
			if text != event {
				t.Errorf("client %d got %s", i, text)
			}
			who += fmt.Sprint(i)
		}
	}
	return who
}

func TestRooms(t *testing.T) {
	f := serve(t, socketio.Options{})
	clients, s := crowd(t, f, 5)
	for i, rooms := range [][]string{{"a", "b"}, {"a"}, {"b", "c"}, {"c"}, nil} {
		if err := s[i].Join(rooms...); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		want string
		to   socketio.Broadcast
	}{
		{"01234", f.root.Except()},
		{"01", f.root.To("a")},
		{"012", f.root.To("a", "b")},
		{"012", f.root.To("a").To("b", "a")},
		{"01", f.root.To("a", s[0].ID(), s[1].ID())},
		{"4", f.root.To(s[4].ID())},
		{"14", f.root.To("nobody", s[4].ID()).To(s[1].ID())},
		{"", f.root.To("nobody")},
		{"34", f.root.Except("a", "b")},
		{"1", f.root.To("a").Except("b")},
		{"0123", f.root.Except(s[4].ID())},
		{"02", f.root.To("a", "b").Except(s[1].ID())},
		{"1", s[0].To("a")},
		{"1234", s[0].Broadcast()},
		{"4", s[3].Broadcast().Except("a", "b")},
		{"01", s[4].To("a")},
		{"12", s[0].To("a", "b", s[0].ID())},
	} {
		if err := c.to.Emit("x", 1); err != nil {
			t.Fatal(err)
		}
		if got := heard(t, f, clients, `42["x",1]`); got != c.want {
			t.Errorf("%+v: heard by %q, want %q", c.to, got, c.want)
		}
	}
	s[0].Leave("a", "nowhere", s[0].ID())
	s[1].Disconnect(false)
	clients[1].Want("41")
	clients = slices.Delete(clients, 1, 2)
	if err := f.root.To("a", s[0].ID()).Emit("x", 1); err != nil {
		t.Fatal(err)
	}
	if got := heard(t, f, clients, `42["x",1]`); got != "0" {
		t.Errorf("after leaving: heard by %q", got)
	}
}

// A Broadcast is a value: deriving from it does not change it.
func TestBroadcastIsAValue(t *testing.T) {
	f := serve(t, socketio.Options{})
	_, s := crowd(t, f, 3)
	for i, room := range []string{"a", "b", "c"} {
		if err := s[i].Join(room); err != nil {
			t.Fatal(err)
		}
	}
	base := f.root.To("a")
	ab, ac := base.To("b"), base.To("c")
	if len(base.Sockets()) != 1 || !slices.Contains(ab.Sockets(), s[1]) || slices.Contains(ab.Sockets(), s[2]) || !slices.Contains(ac.Sockets(), s[2]) {
		t.Error("one broadcast wrote into another")
	}
}

func TestRoomsOfASocket(t *testing.T) {
	f := serve(t, socketio.Options{MaxRooms: 3})
	c, s := f.joined(t)
	if err := s.Join("a", "b", "a", s.ID()); err != nil {
		t.Error(err)
	}
	if err := s.Join("c", "d"); !errors.Is(err, socketio.ErrTooManyRooms) {
		t.Errorf("join beyond the limit: %v", err)
	}
	if err := s.Join("c", "b"); err != nil {
		t.Error(err)
	}
	s.Leave("b")
	rooms := s.Rooms()
	slices.Sort(rooms[1:])
	if !slices.Equal(rooms, []string{s.ID(), "a", "c"}) {
		t.Errorf("rooms %q", rooms)
	}
	if f.root.Socket(s.ID()) != s || f.root.Socket("a") != nil {
		t.Error("a socket is not found by its id")
	}
	c.Close()
	eventually(t, "all rooms are empty", func() bool {
		return len(s.Rooms()) == 0 && len(f.root.Sockets()) == 0 && len(f.root.To("a", "b", "c").Sockets()) == 0
	})
}

// counted is an argument that counts how often it is encoded.
type counted struct{ n *atomic.Int32 }

func (c counted) MarshalJSON() ([]byte, error) { c.n.Add(1); return []byte(`"x"`), nil }

func TestBroadcastIsEncodedOnce(t *testing.T) {
	f := serve(t, socketio.Options{})
	clients, _ := crowd(t, f, 20)
	polling := rawclient.OpenPoll(t, f.base)
	polling.Post("40")
	polling.Packets(1)
	var n atomic.Int32
	if err := f.root.Emit("event", counted{&n}); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		c.Want(`42["event","x"]`)
	}
	if got := polling.Packets(1); got[0] != `42["event","x"]` {
		t.Errorf("polling got %q", got)
	}
	if n.Load() != 1 {
		t.Errorf("encoded %d times", n.Load())
	}
}

// A client that does not read is closed, and the others get everything.
func TestSlowClientHoldsUpNobody(t *testing.T) {
	f := serve(t, socketio.Options{Engine: engineio.Options{MaxQueue: 1 << 16}})
	gone := make(chan string, 1)
	stuck, s := f.joined(t)
	s.OnDisconnect(func(reason string) { gone <- reason })
	reader, _ := f.joined(t)
	payload := make([]byte, 8<<10)
	for i := 0; ; i++ {
		if err := f.root.Emit("data", i, payload); err != nil {
			t.Fatal(err)
		}
		reader.Want(fmt.Sprintf(`451-["data",%d,{"_placeholder":true,"num":0}]`, i))
		reader.NextBinary()
		select {
		case reason := <-gone:
			if reason != string(engineio.SlowClient) {
				t.Errorf("reason %q", reason)
			}
			stuck.Close()
			return
		default:
		}
		if i > 10000 {
			t.Fatal("the slow client was never closed")
		}
	}
}

func BenchmarkBroadcast(b *testing.B) {
	const n = 100
	f := serve(b, socketio.Options{})
	clients, _ := crowd(b, f, n)
	got := make(chan struct{}, n)
	for _, c := range clients {
		go func() {
			for {
				if _, _, err := c.Read(); err != nil {
					return
				}
				got <- struct{}{}
			}
		}()
	}
	text := []byte(`{"roomId":"lobby","text":"hello there, how are you?"}`)
	b.ReportAllocs()
	for b.Loop() {
		f.root.Except().SendFrame(socketio.EncodeEvent("/", "message:new", text))
		for range n {
			<-got
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/socket")
}
