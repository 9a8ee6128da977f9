package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/socketio"
)

// muster lets nobody through before all are there, or some time has passed: so those go on together who may.
type muster struct {
	all  sync.WaitGroup
	full chan struct{}
}

func newMuster(n int) *muster {
	m := &muster{full: make(chan struct{})}
	m.all.Add(n)
	go func() { m.all.Wait(); close(m.full) }()
	return m
}

func (m *muster) pass() {
	m.all.Done()
	select {
	case <-m.full:
	case <-time.After(300 * time.Millisecond):
	}
}

// together are rooms whose replays are all told to go on before any of them delivers a piece, as on a machine of many cores.
type together struct {
	chat.Rooms
	muster *muster
	piece  chat.Record
}

func (r together) Attach(ctx context.Context, id chat.RoomID, u chat.User, after chat.Seq, l chat.Listener) (chat.Attached, error) {
	if after == chat.AttachHead {
		return r.Rooms.Attach(ctx, id, u, after, l)
	}
	if err := l.Ready(ctx); err != nil {
		return chat.Attached{}, err
	}
	r.muster.pass()
	rec := r.piece
	rec.Room = id
	l.Deliver(Encoder{}.Record(rec))
	return r.Rooms.Attach(ctx, id, u, chat.AttachHead, l)
}

// What many rooms bring at once does not overflow the socket that asks for it: neither what is held before the CONNECT answer, however
// fast the client (it would come back with the same places, for ever), nor its queue behind it (cases.md 4).
func TestManyReplaysAtOnce(t *testing.T) {
	const rooms = 16
	text := strings.Repeat(`\u0001`, 16<<10) // the largest that a record may be
	for name, pid := range map[string]string{"before the answer": `,"pid":"pid-ann~1"`, "behind it": ""} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			var since []string
			for i := range rooms {
				st, err := r.s.CreateRoom(t.Context(), chat.User{ID: "ann", Name: "Ann"}, chat.CreateRequest{ClientID: fmt.Sprint("r", i), Name: "room"})
				if err != nil {
					t.Fatal(err)
				}
				since = append(since, fmt.Sprintf("%q:%d", st.View.Room().ID, st.AsOf))
			}
			r.g.cfg.Rooms = together{r.g.cfg.Rooms, newMuster(rooms), chat.Record{Seq: 1 << 40, Kind: chat.KindMessage, ID: "i", User: "ann", Body: []byte(`{"text":"` + text + `"}`)}}
			gate := make(chan struct{})
			c := r.dialSlow(`{"token":"ann"`+pid+`,"since":{`+strings.Join(since, ",")+`}}`, gate)
			eventually(t, "much waits for the reader", func() bool {
				for _, c := range r.g.all() {
					c.mu.Lock()
					held := c.bytes
					c.mu.Unlock()
					if held+c.sock.Queued() > 128<<10 {
						return true
					}
				}
				return r.g.Stats().Ended["slow client"] > 0
			})
			<-time.After(300 * time.Millisecond) // those who may go on do so
			close(gate)
			c.connected()
			at := 0
			for range rooms {
				at, _ = c.event("message:new", at+1)
			}
			eventually(t, "all rooms are heard", func() bool { return r.g.Stats().Subscriptions == rooms })
		})
	}
}

// slowly is data that is encoded together with that of others.
type slowly struct {
	muster *muster
	text   string
}

func (s slowly) MarshalJSON() ([]byte, error) {
	s.muster.pass()
	return json.Marshal(map[string]string{"text": s.text})
}

// Nor do long answers to requests for several rooms.
func TestManyLongAnswersAtOnce(t *testing.T) {
	const n = 8
	r := newRig(t, nil)
	gate := make(chan struct{})
	c := r.dialSlow(`{"token":"ann"}`, gate)
	eventually(t, "ann is there", func() bool { return r.g.Stats().Sockets == 1 })
	data := slowly{newMuster(n), strings.Repeat("x", 250<<10)}
	there := r.g.all()[0]
	there.sock.On("long", func(e *socketio.Event) {
		go (&reply{c: there, ev: e}).long(t.Context(), data)
	})
	var ids []int
	for range n {
		text, id := c.packet("long", `{}`)
		c.write(text)
		ids = append(ids, id)
	}
	eventually(t, "much waits for the reader", func() bool {
		return there.sock.Queued() > 128<<10 || r.g.Stats().Ended["slow client"] > 0
	})
	<-time.After(300 * time.Millisecond) // those who may go on do so
	close(gate)
	for _, id := range ids {
		if a := c.answer(id); !a.OK {
			t.Errorf("answer %d: %.200s", id, a.raw)
		}
	}
}
