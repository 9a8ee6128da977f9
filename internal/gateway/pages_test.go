package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// counting are rooms that count the pages they gave.
type counting struct {
	chat.Rooms
	pages *atomic.Int64
}

func (r counting) Page(ctx context.Context, id chat.RoomID, rg chat.Range, limit int) (chat.Page, error) {
	defer r.pages.Add(1)
	return r.Rooms.Page(ctx, id, rg, limit)
}

// Who asks for pages of many rooms and reads none of them has a few in memory, not all (G9); and whoever reads gets every one.
func TestPagesThatNobodyReadsAreFew(t *testing.T) {
	const rooms = 64
	r := newRig(t, nil)
	var pages atomic.Int64
	ports := r.Ports()
	ports.Rooms = counting{ports.Rooms, &pages}
	r.g.cfg.Service = chat.NewService(ports, chat.Limits{}, chat.DefaultTimes(), nil)
	ann := chat.User{ID: "ann", Name: "Ann"}
	big := strings.Repeat("x", 16<<10)
	var ids []chat.RoomID
	for i := range rooms {
		st, err := r.s.CreateRoom(t.Context(), ann, chat.CreateRequest{ClientID: fmt.Sprint("r", i), Name: "room"})
		if err != nil {
			t.Fatal(err)
		}
		id := st.View.Room().ID
		ids = append(ids, id)
		for j := range 12 {
			sent := make(chan error, 1)
			r.s.Send(t.Context(), ann, chat.SendRequest{Room: id, ClientID: fmt.Sprint("m", j), Text: big}, func(_ chat.Sent, err error) { sent <- err })
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
	}
	gate := make(chan struct{})
	c := r.dialSlow(`{"token":"ann"}`, gate)
	eventually(t, "ann is there", func() bool { return r.g.Stats().Sockets == 1 })
	var asked []int
	for i, id := range ids {
		event, payload := "message:list", fmt.Sprintf(`{"roomId":%q}`, id)
		if i%2 == 1 {
			event = "room:open"
		}
		text, n := c.packet(event, payload)
		c.write(text)
		asked = append(asked, n)
	}
	there := r.g.all()[0]
	eventually(t, "much waits for the reader", func() bool { return there.sock.Queued() > r.g.holdEnough() })
	<-time.After(500 * time.Millisecond) // who may go on does so
	if n := pages.Load() - r.g.Stats().Answers[""]; n > maxPages {
		t.Errorf("%d pages are in memory for a socket that reads none", n)
	}
	close(gate)
	for _, n := range asked {
		if a := c.answer(n); !a.OK || len(a.Data["messages"].([]any)) != 12 {
			t.Errorf("answer %d: %.200s", n, a.raw)
		}
	}
}
