package hub_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/hub"
)

// clock is a listener that counts, with others, what comes at each moment.
type clock struct {
	socket
	mu *sync.Mutex
	at map[time.Duration]int
}

func (c *clock) Deliver(f chat.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[time.Duration(time.Now().UnixNano())]++
}

// When a crowd comes to many rooms at once, the news of it do not all go out at one moment, before the next message: they are spread over
// less than two ticks.
func TestNewsOfManyRoomsAreSpread(t *testing.T) {
	const rooms, each, most = 300, 4, 64 + 8
	p := &memPresence{here: map[chat.RoomID]map[string]chat.Here{}}
	run(t, func(c *hub.Config) { c.Presence = handle{p, "n1"} }, func(w *world) {
		var mu sync.Mutex
		at := map[time.Duration]int{}
		members := []chat.UserID{"new"}
		for i := range each {
			members = append(members, chat.UserID(fmt.Sprint("u", i)))
		}
		for i := range rooms {
			w.room(chat.RoomID(fmt.Sprint("r", i)), members...)
			for _, u := range members[1:] {
				w.attach(chat.RoomID(fmt.Sprint("r", i)), u, chat.AttachHead, &clock{mu: &mu, at: at})
			}
		}
		w.sleep(2 * second)
		mu.Lock()
		clear(at)
		mu.Unlock()
		began := time.Duration(time.Now().UnixNano())
		for i := range rooms {
			w.attach(chat.RoomID(fmt.Sprint("r", i)), "new", chat.AttachHead, &clock{mu: &mu, at: at})
		}
		w.sleep(2 * second)
		mu.Lock()
		defer mu.Unlock()
		all, last := 0, began
		for when, n := range at {
			all, last = all+n, max(last, when)
			if n > most {
				t.Errorf("%d were told at one moment, and at most %d may be", n, most)
			}
		}
		if want := rooms * (each + 1); all != want || last-began > 250*time.Millisecond {
			t.Errorf("%d of %d were told, the last after %v", all, want, last-began)
		}
	})
}
