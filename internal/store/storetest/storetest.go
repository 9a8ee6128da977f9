// Package storetest is the conformance suite of the stores: what an engine must do to be a chat.Archive, a chat.Messages and a
// chat.Directory. It knows no engine; every engine's test runs it.
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Store is what a store offers.
type Store interface {
	chat.Archive
	chat.Messages
	chat.Directory
}

// Harness is what the suite needs of an engine.
type Harness struct {
	Open   func(t *testing.T) Store          // an empty store, closed when t ends
	Reopen func(t *testing.T, s Store) Store // closes s and opens the same data anew
	Beside func(t *testing.T, s Store) Store // opens the data of s once more, as another process would
	// Dead gives what has been buried, with the reasons.
	Dead func(t *testing.T, s Store) ([]chat.Record, []string)
	// Unstorable is a record that the engine can never hold, at the given place.
	Unstorable func(seq chat.Seq) chat.Record
	// Sample thins out what is asked of larger rooms, to one in so many (and above 4 not every size is tried), for an engine whose every page reads the whole room. 0: all.
	Sample int
	// Schedules are the random ones that are played, each of another seed. 0: five.
	Schedules int
	// Deviations are what the suite tolerates of this engine. Each is looked for: an engine that no longer deviates fails.
	Deviations []Deviation
}

// Deviation names something in which an engine may differ from the others.
type Deviation string

// RefusesNUL: a row with U+0000 outside its body is *chat.Unstorable, before anything of its batch is written. No such row comes through
// the door (chat refuses U+0000 everywhere); FerretDB, which keeps documents in PostgreSQL's jsonb, cannot hold one.
const RefusesNUL Deviation = "refuses U+0000"

func (h Harness) deviates(d Deviation) bool { return slices.Contains(h.Deviations, d) }

// Run runs the whole suite.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"identity", testIdentity}, {"name", testName}, {"adopted at once", testAdoptedAtOnce}, {"generations", testGenerations}, {"marks", testMarks}, {"marks at once", testMarksAtOnce}, {"dead", testDead},
		{"reopen", testReopen}, {"deadline", testDeadline},
		{"copies", testCopies}, {"rewound", testRewound}, {"unstorable", testUnstorable}, {"partitions", testPartitions},
		{"fold", testFold}, {"schedules", testSchedules}, {"two at once", testTwoAtOnce},
		{"edges and walks", testEdges}, {"around", testAround}, {"bytes enough", testEnough}, {"rows above W", testAboveW},
		{"changed", testChanged}, {"by id", testByID}, {"limits", testLimits}, {"whole rows", testWholeRows},
		{"rooms", testRoom}, {"list", testList}, {"list search", testListSearch}, {"members", testMembers},
		{"rooms of a user", testRoomsOf}, {"memberships without a room", testNoRoom}, {"cursors", testCursors},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
}

// at gives the n-th place (from 1) of the log that the suite uses: not dense, as in life, when step is above 1.
func at(n int) chat.Seq { return chat.MakeSeq(1, int64(n)) }

// oneLog is the identity of a log with n partitions.
func oneLog(n int) chat.LogInfo {
	return chat.LogInfo{ID: "log-one", Generation: 1, Partitions: make([]chat.Partition, n)}
}

// open gives an empty store that has adopted a log of one partition.
func open(t *testing.T, h Harness) Store {
	t.Helper()
	s := h.Open(t)
	must(t, s.Adopt(ctxOf(t), oneLog(1)))
	return s
}

func ctxOf(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second) // a loaded machine
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// record makes a record of a kind as chat does; what is needed in the body besides the user depends on the kind.
func record(seq chat.Seq, kind chat.Kind, room chat.RoomID, user chat.UserID, clientID string, edit ...func(*chat.Body)) chat.Record {
	id := chat.MakeMessageID(room, user, clientID)
	b := chat.Body{ID: id, RoomID: room, ClientID: clientID, User: chat.User{ID: user, Name: "Name of " + string(user)}, At: 1000 + seq.Offset()}
	r := chat.Record{Seq: seq, At: 2000 + seq.Offset(), Kind: kind, Room: room, ID: id, User: user, Sent: b.At, Sum: ^uint64(seq)}
	switch kind {
	case chat.KindMessage:
		text := "text of " + clientID
		b.Text = &text
	case chat.KindJoin, chat.KindLeave:
		r.Subject = user
	case chat.KindCreate:
		r.Subject = user
		b.Room = &chat.RoomInfo{Name: "Room " + string(room), Owner: user}
	}
	for _, e := range edit {
		e(&b)
	}
	if kind == chat.KindInvite {
		r.Subject = b.Invitee
	}
	r.Body = b.Encode()
	return r
}

// changes is what a persister makes of a batch: each id once, the first copy.
func changes(rs ...chat.Record) []chat.Change {
	var out []chat.Change
	seen := map[chat.MessageID]bool{}
	for _, r := range rs {
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		c := chat.Change{Row: r}
		if r.Kind == chat.KindCreate || r.Kind == chat.KindUpdate {
			c.Room = &r
		}
		if m, ok := chat.MembershipChange(r); ok {
			c.Member = &m
		}
		out = append(out, c)
	}
	return out
}

// save saves rs in partition 0 with W at the last of them.
func save(t *testing.T, s Store, rs ...chat.Record) {
	t.Helper()
	must(t, s.Save(ctxOf(t), 0, changes(rs...), chat.Mark{Seq: rs[len(rs)-1].Seq, Proof: 7}))
}

// page asks for a page that must be given.
func page(t *testing.T, s Store, room chat.RoomID, r chat.Range, limit int) chat.Page {
	t.Helper()
	p, err := s.Page(ctxOf(t), room, r, limit)
	must(t, err)
	return p
}

// same compares rows by all that a row holds.
func same(t *testing.T, what string, got, want []chat.Record) {
	t.Helper()
	if !slices.EqualFunc(got, want, sameRecord) {
		t.Fatalf("%s:\n got %s\nwant %s", what, shown(got), shown(want))
	}
}

func sameRecord(a, b chat.Record) bool {
	return a.Seq == b.Seq && a.At == b.At && bytes.Equal(chat.AppendRecord(nil, a), chat.AppendRecord(nil, b))
}

func shown(rs []chat.Record) string {
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "\n  %d %+v", r.Seq.Offset(), r)
	}
	return b.String()
}

// view gives the room as the store knows it.
func view(t *testing.T, s Store, room chat.RoomID) *chat.View {
	t.Helper()
	r, _, err := s.Room(ctxOf(t), room)
	if err != nil && chat.AsError(err).Code != chat.CodeNotFound {
		t.Fatal(err)
	}
	var all []chat.Member
	for c := chat.Cursor(""); ; {
		ms, next, err := s.Members(ctxOf(t), room, c, 2)
		must(t, err)
		all = append(all, ms...)
		if c = next; c == "" {
			break
		}
	}
	v := chat.NewView(r, all)
	if r.Seq != 0 && r.Members != v.Members() {
		t.Fatalf("room %s counts %d members and lists %d", room, r.Members, v.Members())
	}
	return v
}

// sameView compares two views by all that a view holds.
func sameView(t *testing.T, got, want *chat.View) {
	t.Helper()
	if got.Room() != want.Room() {
		t.Fatalf("room\n got %+v\nwant %+v", got.Room(), want.Room())
	}
	if g, w := people(got), people(want); !slices.Equal(g, w) {
		t.Fatalf("members of %s\n got %+v\nwant %+v", want.Room().ID, g, w)
	}
}

func people(v *chat.View) []chat.Member {
	var out []chat.Member
	v.Each(func(m chat.Member) bool { out = append(out, m); return true })
	slices.SortFunc(out, func(a, b chat.Member) int { return strings.Compare(string(a.User.ID), string(b.User.ID)) })
	return out
}

// wantCode fails unless err is a refusal of that code.
func wantCode(t *testing.T, what string, err error, code chat.Code) {
	t.Helper()
	if err == nil || chat.AsError(err).Code != code {
		t.Fatalf("%s: got error %v, want code %s", what, err, code)
	}
}
