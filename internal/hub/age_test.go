package hub_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/hub"
)

// The age of a record is told once, when it goes to sockets, however many; not of a copy, nor while nobody listens; and clocks that are
// apart make no age below 0.
func TestTheAgeOfWhatGoesLive(t *testing.T) {
	var ages []time.Duration
	run(t, func(c *hub.Config) { c.Live = func(age time.Duration) { ages = append(ages, age) } }, func(w *world) {
		w.room("r", "ann", "bob")
		w.say("r", "ann") // nobody listens
		first, second := &socket{}, &socket{}
		w.attach("r", "ann", chat.AttachHead, first)
		w.attach("r", "bob", chat.AttachHead, second)
		late := w.put(chat.KindMessage, "r", "ann")
		time.Sleep(40 * time.Millisecond)
		w.relay(late)
		copied := late
		copied.Seq = 0
		w.relay(w.log.put(copied))
		ahead := w.put(chat.KindMessage, "r", "bob")
		ahead.At += 5000
		w.relay(ahead)
		first.wants(w.t, 3, 5)
		second.wants(w.t, 3, 5)
		w.hub.Detach("r", first)
		w.hub.Detach("r", second)
		w.say("r", "ann")
	})
	if want := []time.Duration{40 * time.Millisecond, 0}; !slices.Equal(ages, want) {
		t.Errorf("ages %v, not %v", ages, want)
	}
}
