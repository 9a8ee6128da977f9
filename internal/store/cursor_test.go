package store_test

import (
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// FuzzCursor: whatever comes in is one of ours, to the byte, or `invalid`; it is never a panic.
func FuzzCursor(f *testing.F) {
	scope := []string{"rooms", "u", ""}
	for _, c := range []chat.Cursor{"", "x", "AAAAAAAAAAA", store.NewCursor(scope, "a", "b"), store.NewCursor(scope, "", ""),
		"fJ6\nuKDaP_TcBYQFi", store.NewCursor(scope, "one"), store.NewCursor([]string{"rooms", "", "u"}, "a", "b"), chat.Cursor(strings.Repeat("A", 5000))} {
		f.Add(string(c))
	}
	f.Fuzz(func(t *testing.T, in string) {
		place, ok, err := store.ParseCursor(scope, chat.Cursor(in), 2)
		switch {
		case err != nil:
			if chat.AsError(err).Code != chat.CodeInvalid {
				t.Fatalf("%q: %v", in, err)
			}
		case ok != (in != "") || len(place) != 2:
			t.Fatalf("%q: %q, %v", in, place, ok)
		case ok && store.NewCursor(scope, place...) != chat.Cursor(in):
			t.Fatalf("%q is another spelling of %q", in, place)
		}
	})
}

// TestCursorRoundTrip: any place comes back, for its own list only.
func TestCursorRoundTrip(t *testing.T) {
	for _, place := range [][]string{{"a", "b"}, {"", ""}, {"\x00", "ü"}, {strings.Repeat("n", 200), "id"}} {
		c := store.NewCursor([]string{"x", "y"}, place...)
		got, ok, err := store.ParseCursor([]string{"x", "y"}, c, 2)
		if err != nil || !ok || !slices.Equal(got, place) {
			t.Fatalf("%q: %q, %v, %v", place, got, ok, err)
		}
		for _, scope := range [][]string{{"x"}, {"xy"}, {"x", "y", ""}, {"y", "x"}} {
			if _, _, err := store.ParseCursor(scope, c, 2); err == nil {
				t.Fatalf("a cursor of x y was taken for %q", scope)
			}
		}
	}
}

// TestNotWritable: root writes everywhere, so the causes are made by hand.
func TestNotWritable(t *testing.T) {
	for _, cause := range []error{&fs.PathError{Op: "open", Err: syscall.EACCES}, &fs.PathError{Op: "open", Err: syscall.EROFS}, fs.ErrPermission} {
		if got := store.OpenError("s.db", cause).Error(); !strings.Contains(got, "the store s.db is not writable for this user") {
			t.Errorf("%v: %s", cause, got)
		}
	}
}
