package hub_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// isHere fails unless of each user is said what want says: here, away or not known.
func (w *world) isHere(t *testing.T, room chat.RoomID, want map[chat.UserID]string) {
	t.Helper()
	for u, want := range want {
		got := "not known"
		switch here, known := w.hub.Here(room, u); {
		case here && known:
			got = "here"
		case known:
			got = "away"
		case here:
			got = "here, and that is not known"
		}
		if got != want {
			t.Errorf("%s is %s, want %s", u, got, want)
		}
	}
}

// Nobody is away because there are too many to be named: this node knows its own one by one, and says nothing of those whom another node
// only counts.
func TestHereAboveTwoHundred(t *testing.T) {
	withPresence(t, func(w *world, p *memPresence) {
		members := []chat.UserID{"ann", "bob", "cat", "dan"}
		for i := range 250 {
			members = append(members, chat.UserID(fmt.Sprint("u", i)))
		}
		w.room("r", members...)
		w.attach("r", "ann", chat.AttachHead, &socket{})
		for _, u := range members[4:] {
			w.attach("r", u, chat.AttachHead, &socket{})
		}
		bob := &socket{}
		w.attach("r", "bob", chat.AttachHead, bob)
		w.sleep(second)
		w.isHere(t, "r", map[chat.UserID]string{"ann": "here", "u0": "here", "u249": "here", "bob": "here", "dan": "away"})
		w.hub.Detach("r", bob)
		put := func(node string, count int, us ...chat.User) {
			_ = handle{p, node}.Put(context.Background(), chat.Here{Room: "r", Node: node, Users: us, Count: count})
		}
		put("n2", 1, user("cat"))
		w.sleep(second)
		w.isHere(t, "r", map[chat.UserID]string{"ann": "here", "u249": "here", "cat": "here", "bob": "away", "dan": "away"})
		put("n3", 300)
		w.sleep(second)
		w.isHere(t, "r", map[chat.UserID]string{"ann": "here", "u249": "here", "cat": "here", "bob": "not known", "dan": "not known"})
		put("n3", 1, user("dan"))
		w.sleep(second)
		w.isHere(t, "r", map[chat.UserID]string{"ann": "here", "u249": "here", "cat": "here", "bob": "away", "dan": "here"})
	})
}

// Before the other nodes were asked, and while they can not be, nothing is said of whoever is not on this node.
func TestHereBeforeOthersWereAsked(t *testing.T) {
	withPresence(t, func(w *world, p *memPresence) {
		w.room("r", "ann", "cat", "dan")
		_ = handle{p, "n2"}.Put(context.Background(), chat.Here{Room: "r", Node: "n2", Users: []chat.User{user("cat")}, Count: 1})
		p.set(func() { p.down = true })
		w.attach("r", "ann", chat.AttachHead, &socket{})
		synctest.Wait()
		w.isHere(t, "r", map[chat.UserID]string{"ann": "here", "cat": "not known", "dan": "not known"})
		p.set(func() { p.down = false })
		w.sleep(second)
		w.isHere(t, "r", map[chat.UserID]string{"ann": "here", "cat": "here", "dan": "away"})
		p.set(func() { p.down = true })
		w.sleep(5 * second)
		w.isHere(t, "r", map[chat.UserID]string{"ann": "here", "cat": "not known", "dan": "not known"})
		p.set(func() { p.down = false })
		w.sleep(second)
		w.isHere(t, "r", map[chat.UserID]string{"ann": "here", "cat": "here", "dan": "away"})
	})
}
