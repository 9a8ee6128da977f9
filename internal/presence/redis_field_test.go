package presence

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const aLife = "0123456789abcdef"

func TestFieldRoundTrip(t *testing.T) {
	for _, h := range []chat.Here{
		{Count: 1, Users: []chat.User{{ID: "ann", Name: "Ann"}}},
		{Count: 2, Users: []chat.User{{ID: "bob", Name: "B\x00ob €", Guest: true}, {}}},
		{Count: 5000},
	} {
		life, got, err := parseField(string(appendField(nil, aLife, h)))
		if err != nil || life != aLife || !reflect.DeepEqual(got, h) {
			t.Errorf("%+v: %q %+v, %v", h, life, got, err)
		}
	}
}

func TestFieldRefuses(t *testing.T) {
	good := string(appendField(nil, aLife, chat.Here{Count: 1, Users: []chat.User{{ID: "ann", Name: "Ann"}}}))
	for i := range len(good) {
		if _, _, err := parseField(good[:i]); !errors.Is(err, errField) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	for name, s := range map[string]string{
		"more behind":     good + "x",
		"nobody":          "\x01" + aLife + "\x00",
		"endless number":  "\x01" + aLife + strings.Repeat("\xff", 20),
		"too many users":  "\x02" + aLife + "\x01\xc9\x01",
		"length too long": "\x02" + aLife + "\x01\x01\x00\xff\xff\x7f",
		"neither guest":   "\x02" + aLife + "\x01\x01\x02\x00\x00",
	} {
		if _, _, err := parseField(s); !errors.Is(err, errField) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := parseField("\x03" + good[1:]); !errors.Is(err, errNewer) {
		t.Errorf("a later version: %v", err)
	}
}

func FuzzField(f *testing.F) {
	f.Add(string(appendField(nil, aLife, chat.Here{Count: 2, Users: []chat.User{{ID: "ann", Name: "Ann"}, {ID: "bob", Guest: true}}})))
	f.Add(string(appendField(nil, aLife, chat.Here{Count: 300})))
	f.Add("\x02" + aLife + "\x01\xff\xff\xff\xff\x7f")
	f.Fuzz(func(t *testing.T, s string) {
		life, h, err := parseField(s)
		if err != nil {
			return
		}
		again := appendField(nil, life, h)
		if life2, h2, err := parseField(string(again)); err != nil || life2 != life || !reflect.DeepEqual(h, h2) {
			t.Errorf("%q reads as %+v, and written again as %+v, %v", s, h, h2, err)
		}
	})
}
