package bench

import (
	"bytes"
	"math"
	"testing"
)

func TestStamps(t *testing.T) {
	for _, s := range []stamp{{1, 2, 3, 4}, {0, 0, 1, 0}, {math.MaxUint32, 17_999, math.MaxInt32, 3_600e9}} {
		event := append(s.append([]byte(`42["message:new",{"text":"`)), `xxx"}]`...)
		if got, ok := findStamp(event); !ok || got != s {
			t.Errorf("%+v became %+v, %v", s, got, ok)
		}
	}
}

func TestNoStamps(t *testing.T) {
	for _, text := range []string{"", "~hb:", "~hb:1.2.3.4", "~hb:1.2.3~", "~hb:1.2.3.4.5~", "~hb:...~", "~hb:1..3.4~", "~hb:-1.2.3.4~", "~hb:A.2.3.4~",
		"~hb:1.2.3.zzzzzzzzzzzzz~", "~hb:1z141z4.2.3.4~", "~hb:1.zik0zk.3.4~", "~hb:1.2.zzzzzzzzzzzz.4~", "hb:1.2.3.4~", "~hb:1.2.3.4 ~"} {
		if s, ok := findStamp([]byte(text)); ok {
			t.Errorf("%q is %+v", text, s)
		}
	}
}

// What is found is what would be written, and is in bounds.
func FuzzStamp(f *testing.F) {
	f.Add(stamp{7, 8, 9, 10}.append([]byte("x")))
	f.Add([]byte("~hb:zzzzzzzzzzzzzz.zzzzzzzzzzzzzz.zzzzzzzzzzzzzz.zzzzzzzzzzzzzz~"))
	f.Add([]byte("~hb:~hb:1.2.3.4~"))
	f.Fuzz(func(t *testing.T, event []byte) {
		s, ok := findStamp(event)
		if !ok {
			return
		}
		if s.sender < 0 || s.number < 0 || s.at < 0 {
			t.Fatalf("%q is %+v", event, s)
		}
		if again, ok := findStamp(s.append(nil)); !ok || again != s {
			t.Fatalf("%+v became %+v", s, again)
		}
		if !bytes.Contains(event, mark) {
			t.Fatalf("%q has no mark", event)
		}
	})
}
