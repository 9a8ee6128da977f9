package bus

import (
	"strconv"
	"testing"
)

// TestEarsForgetWhileTheirHomeIsAway: rooms come and go while Redis is away, perhaps for a day. Nothing may be left of those that went.
func TestEarsForgetWhileTheirHomeIsAway(t *testing.T) {
	h := &home{parts: map[*part]struct{}{}, dirty: map[*wanted]struct{}{}, wake: make(chan struct{}, 1), fault: errNotYet}
	p := &part{keys: map[*wanted]struct{}{}, home: h}
	h.parts[p] = struct{}{}
	e := &ears{channels: map[string]*wanted{}, parts: map[int]*part{0: p}, homes: map[string]*home{"": h}}
	for i := range 1000 {
		key := strconv.Itoa(i)
		e.want(key, 0)
		e.want(key, 0)
		e.unwant(key)
		if e.channels[key] == nil || len(h.dirty) != 1 {
			t.Fatalf("%s is wanted still, and forgotten", key)
		}
		e.unwant(key)
		e.unwant(key) // once too often
	}
	if len(e.channels)+len(p.keys)+len(h.dirty) != 0 {
		t.Errorf("%d channels, %d of the partition, %d to look at", len(e.channels), len(p.keys), len(h.dirty))
	}
	e.want("back", 0)
	if orders := e.take(h); len(orders) != 1 || !orders[0].subscribe || orders[0].channels[0].key != "back" {
		t.Errorf("orders %+v", orders)
	}
	e.unwant("back") // it is subscribed: that has to be taken back
	if orders := e.take(h); len(orders) != 1 || orders[0].subscribe || len(e.channels) != 0 {
		t.Errorf("orders %+v, %d channels", orders, len(e.channels))
	}
}
