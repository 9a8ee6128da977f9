package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// items makes the answer to an insert of which some items were refused with these codes.
func items(codes map[int]int, more ...bson.E) bson.D {
	list := bson.A{}
	for i, code := range codes {
		list = append(list, bson.D{{Key: "index", Value: i}, {Key: "code", Value: code}, {Key: "errmsg", Value: fmt.Sprint("E", code)}})
	}
	return append(bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 3 - len(codes)}, {Key: "writeErrors", Value: list}}, more...)
}

// TestBulkItemByItem: a duplicate among a bulk's items hides nothing of the others, and W rises only when nothing is wrong.
func TestBulkItemByItem(t *testing.T) {
	concern := bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64}, {Key: "codeName", Value: "WriteConcernFailed"}, {Key: "errmsg", Value: "waiting for replication timed out"}}}
	refused := func(code int, text string) bson.D {
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "codeName", Value: "X"}, {Key: "errmsg", Value: text}}
	}
	const never, later, fault, fine = "never", "later", "fault", "fine"
	for name, c := range map[string]struct {
		answer bson.D
		want   string
		index  int
	}{
		"written":                                {items(nil), fine, 0},
		"a duplicate":                            {items(map[int]int{1: 11000}), fine, 0},
		"all duplicates":                         {items(map[int]int{0: 11000, 1: 11000, 2: 11000}), fine, 0},
		"a duplicate and one too large":          {items(map[int]int{0: 11000, 2: 10334}), never, 2},
		"a duplicate and one refused by a rule":  {items(map[int]int{0: 11000, 1: 121}), never, 1},
		"a duplicate and an interrupted one":     {items(map[int]int{0: 11000, 1: 11601}), later, 0},
		"an unknown error":                       {items(map[int]int{2: 4711}), later, 0},
		"not by the majority":                    {items(nil, concern), later, 0},
		"a duplicate, and not by the majority":   {items(map[int]int{0: 11000}, concern), later, 0},
		"one too large, and not by the majority": {items(map[int]int{1: 10334}, concern), never, 1},
		"a general error that is of the value":   {refused(1, "[collection.go:163] ERROR: unsupported Unicode escape sequence (SQLSTATE 22P05)"), never, -1},
		"a general error that is of an index":    {refused(1, "ERROR: index row size 3000 exceeds btree version 4 maximum 2704 (SQLSTATE 54000)"), never, -1},
		"a general error that is of the store":   {refused(1, "ERROR: could not extend file: No space left on device (SQLSTATE 53100)"), fault, 0},
		"a disk that is full":                    {items(map[int]int{0: 11000, 2: 14031}), fault, 0},
		"a command that is refused":              {refused(13388, "stale"), later, 0},
	} {
		t.Run(name, func(t *testing.T) {
			answers := storing()
			rs := bulkRecords()
			// Whatever is looked up after a duplicate is the first record, at its place; that it is not the others makes these copies.
			answers["find rows"] = cursor(bson.D{{Key: "_id", Value: string(rs[0].ID)}, {Key: "room", Value: "r"}, {Key: "seq", Value: int64(rs[0].Seq)}})
			answers["insert rows"] = c.answer
			w := newWire(t, answers)
			s := mongoAt(t, w.addr, "x")
			err := s.Save(t.Context(), 0, []chat.Change{{Row: rs[0]}, {Row: rs[1]}, {Row: rs[2]}}, chat.Mark{Seq: rs[2].Seq})
			var bad *chat.Unstorable
			switch {
			case c.want == fine && err != nil, c.want != fine && err == nil, errors.As(err, &bad) != (c.want == never), bad != nil && bad.Index != c.index,
				(c.want == later || c.want == fault) != errors.Is(err, chat.ErrUnavailable), (c.want == fault) != errors.Is(err, chat.ErrStoreFailed):
				t.Errorf("got %v, want %s, %d", err, c.want, c.index)
			}
			if raised := w.count("insert state") > 0; raised != (c.want == fine) {
				t.Errorf("W was raised: %v", raised)
			}
		})
	}
}

func bulkRecords() []chat.Record {
	var rs []chat.Record
	for i := range 3 {
		rs = append(rs, chat.Record{Seq: chat.MakeSeq(1, int64(i+1)), Kind: chat.KindMessage, Room: "r", ID: chat.MessageID(fmt.Sprint("id", i)), User: "u", Body: []byte(`{"a":1}`)})
	}
	return rs
}

// TestMarkNotAcknowledged: W that the majority has not acknowledged is an error, of Save as of Bury.
func TestMarkNotAcknowledged(t *testing.T) {
	answers := storing()
	concern := bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}, {Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64}, {Key: "errmsg", Value: "timed out"}}}}
	taken := append(bson.D{{Key: "writeErrors", Value: bson.A{bson.D{{Key: "index", Value: 0}, {Key: "code", Value: 11000}, {Key: "errmsg", Value: "dup"}}}}}, concern...)
	w := newWire(t, answers)
	s := mongoAt(t, w.addr, "x")
	for _, answer := range []bson.D{concern, taken} {
		w.set("insert state", answer)
		w.set("insert dead", answer)
		if err := s.Save(t.Context(), 0, nil, chat.Mark{Seq: chat.MakeSeq(1, 1)}); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("save: %v", err)
		}
		if err := s.Bury(t.Context(), bulkRecords()[0], "x"); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("bury: %v", err)
		}
	}
}

// TestOrderOfWork: W is read before the rows are, and written after them, after rooms and members, and after the counts.
func TestOrderOfWork(t *testing.T) {
	answers := storing()
	answers["insert rooms"], answers["update rooms"], answers["insert members"] = items(nil), items(nil), items(nil)
	answers["aggregate members"] = cursor(bson.D{{Key: "n", Value: 1}})
	w := newWire(t, answers)
	s := mongoAt(t, w.addr, "x")
	seen := func(f func()) string {
		w.mu.Lock()
		w.order = nil
		w.mu.Unlock()
		f()
		w.mu.Lock()
		defer w.mu.Unlock()
		return strings.Join(slices.DeleteFunc(slices.Clone(w.order), func(c string) bool { return c == "hello" || c == "isMaster" }), ", ")
	}
	for what, read := range map[string]func(){
		"find state, find rows":  func() { _, _ = s.Page(t.Context(), "r", chat.Range{}, 5) }, // the answer is no matter here
		"find state, find rooms": func() { _, _, _ = s.Room(t.Context(), "r") },
	} {
		if got := seen(read); got != what {
			t.Errorf("a read asks for %s; want %s", got, what)
		}
	}
	create := bulkRecords()[0]
	create.Kind, create.Subject = chat.KindCreate, "u"
	create.Body = chat.Body{ID: create.ID, RoomID: "r", Room: &chat.RoomInfo{Name: "n", Owner: "u"}, User: chat.User{ID: "u"}}.Encode()
	member, _ := chat.MembershipChange(create)
	got := seen(func() {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		// The documents are never seen to be there: it ends with an error, and W stays.
		if err := s.Save(ctx, 0, []chat.Change{{Row: create, Room: &create, Member: &member}}, chat.Mark{Seq: create.Seq}); err == nil {
			t.Error("saved, though what was written is not there")
		}
	})
	if !strings.HasPrefix(got, "find state, insert rows, find rooms, insert rooms, find rooms") || strings.Contains(got, "insert state") {
		t.Errorf("a save that finds nothing of what it wrote: %s", got)
	}
	w.set("find rooms", cursor(bson.D{{Key: "_id", Value: "r"}, {Key: "seq", Value: int64(create.Seq)}, {Key: "rev", Value: int64(create.Seq)}}))
	w.set("find members", cursor(bson.D{{Key: "_id", Value: "1:r:u"}, {Key: "state", Value: 2}, {Key: "rev", Value: int64(create.Seq)}}))
	got = seen(func() {
		if err := s.Save(t.Context(), 0, []chat.Change{{Row: create, Room: &create, Member: &member}}, chat.Mark{Seq: create.Seq}); err != nil {
			t.Error(err)
		}
	})
	if got != "find state, insert rows, find rooms, find members, aggregate members, update rooms, insert state, delete state" {
		t.Errorf("a save does %s", got)
	}
}

// TestGuards: a document is changed over the revision that was read alone, and a count only by one that is not behind: on a mongod, whose
// updates are atomic, that is what keeps two writers right.
func TestGuards(t *testing.T) {
	answers := storing()
	answers["find members"] = cursor(bson.D{{Key: "_id", Value: "1:r:u"}, {Key: "state", Value: 3}, {Key: "rev", Value: int64(77)}})
	answers["update members"], answers["update rooms"], answers["aggregate members"] = items(nil), items(nil), cursor()
	w := newWire(t, answers)
	s := mongoAt(t, w.addr, "x")
	join := bulkRecords()[0]
	join.Kind, join.Subject = chat.KindJoin, "u"
	m, _ := chat.MembershipChange(join)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := s.Save(ctx, 0, []chat.Change{{Row: join, Member: &m}}, chat.Mark{Seq: join.Seq}); err == nil {
		t.Error("saved, though the update never took effect")
	}
	w.set("find members", cursor(bson.D{{Key: "_id", Value: "1:r:u"}, {Key: "state", Value: 2}, {Key: "rev", Value: int64(join.Seq)}}))
	if err := s.Save(t.Context(), 0, []chat.Change{{Row: join, Member: &m}}, chat.Mark{Seq: join.Seq}); err != nil {
		t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for command, want := range map[string]string{
		"update members": `"q":{"_id":"1:r:u","rev":77}`,
		"update rooms":   fmt.Sprintf(`"q":{"_id":"r","counted":{"$lte":%d}}`, join.Seq),
	} {
		if len(w.commands[command]) == 0 {
			t.Errorf("no %s", command)
		}
		for _, c := range w.commands[command] {
			if data, err := bson.MarshalExtJSON(c, false, false); err != nil || !strings.Contains(string(data), want) {
				t.Errorf("%s came as %s, %v; want %s", command, data, err, want)
			}
		}
	}
}

// TestUnholdable: what not every MongoDB can hold is named before anything is written, wherever it is.
func TestUnholdable(t *testing.T) {
	w := newWire(t, storing())
	s := mongoAt(t, w.addr, "x")
	nul, wide := "a\x00b", strings.Repeat("w", 1001)
	member := func(m chat.Member) func(*chat.Change) { return func(c *chat.Change) { c.Member = &m } }
	room := func(b chat.Body) func(*chat.Change) {
		return func(c *chat.Change) { c.Row.Body = b.Encode(); r := c.Row; c.Room = &r }
	}
	for name, edit := range map[string]func(*chat.Change){
		"user":         func(c *chat.Change) { c.Row.User = chat.UserID(nul) },
		"subject":      func(c *chat.Change) { c.Row.Subject = chat.UserID(nul) },
		"room":         func(c *chat.Change) { c.Row.Room = chat.RoomID(nul) },
		"id":           func(c *chat.Change) { c.Row.ID = chat.MessageID(nul) },
		"wide id":      func(c *chat.Change) { c.Row.ID = chat.MessageID(wide) },
		"not UTF-8":    func(c *chat.Change) { c.Row.Body = []byte("{\"a\":\"\xff\"}") },
		"no place":     func(c *chat.Change) { c.Row.Seq = 0 },
		"no room":      func(c *chat.Change) { c.Row.Room = "" },
		"no kind":      func(c *chat.Change) { c.Row.Kind = 0 },
		"no body":      func(c *chat.Change) { c.Row.Body = nil },
		"large":        func(c *chat.Change) { c.Row.Body = make([]byte, 1<<20+1) },
		"member":       member(chat.Member{Room: "r", User: chat.User{ID: "u", Name: nul}}),
		"wide member":  member(chat.Member{Room: "r", User: chat.User{ID: chat.UserID(wide)}}),
		"room's name":  room(chat.Body{Room: &chat.RoomInfo{Name: nul}}),
		"room's owner": room(chat.Body{Room: &chat.RoomInfo{Name: "x", Owner: chat.UserID(nul)}}),
		"room's topic": room(chat.Body{Room: &chat.RoomInfo{Name: "x", Topic: nul}}),
		"new name":     room(chat.Body{Name: &wide}),
		"new topic":    room(chat.Body{Topic: &nul}),
	} {
		rs := bulkRecords()
		cs := []chat.Change{{Row: rs[0]}, {Row: rs[1]}, {Row: rs[2]}}
		edit(&cs[1])
		err := s.Save(t.Context(), 0, cs, chat.Mark{Seq: rs[2].Seq})
		var never *chat.Unstorable
		if !errors.As(err, &never) || never.Index != 1 || never.Reason == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := w.count("insert rows") + w.count("insert state"); n != 0 {
		t.Errorf("%d inserts all the same", n)
	}
}
