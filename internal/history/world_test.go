package history_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/history"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// world is a real disk log, a real SQLite and a History over both; save moves W.
type world struct {
	t     *testing.T
	log   *msglog.Disk
	store *store.SQLite
	away  *away
	*history.History
	recs []chat.Record // with seq and at
}

// away is the store, which can be made to fail.
type away struct {
	*store.SQLite
	down bool
}

func (a *away) fail() error {
	if a.down {
		return fmt.Errorf("gone: %w", chat.ErrUnavailable)
	}
	return nil
}

func (a *away) State(ctx context.Context) (chat.ArchiveState, error) {
	if err := a.fail(); err != nil {
		return chat.ArchiveState{}, err
	}
	return a.SQLite.State(ctx)
}

func (a *away) Page(ctx context.Context, room chat.RoomID, r chat.Range, limit int) (chat.Page, error) {
	if err := a.fail(); err != nil {
		return chat.Page{}, err
	}
	return a.SQLite.Page(ctx, room, r, limit)
}

func (a *away) Changed(ctx context.Context, room chat.RoomID, after chat.Seq, limit int) (chat.Page, error) {
	if err := a.fail(); err != nil {
		return chat.Page{}, err
	}
	return a.SQLite.Changed(ctx, room, after, limit)
}

func (a *away) ByID(ctx context.Context, room chat.RoomID, id chat.MessageID) (chat.Record, error) {
	if err := a.fail(); err != nil {
		return chat.Record{}, err
	}
	return a.SQLite.ByID(ctx, room, id)
}

func (a *away) Seqs(ctx context.Context, room chat.RoomID, ids []chat.MessageID) (map[chat.MessageID]chat.Seq, error) {
	if err := a.fail(); err != nil {
		return nil, err
	}
	return a.SQLite.Seqs(ctx, room, ids)
}

func newWorld(t *testing.T, o history.Options) *world {
	t.Helper()
	dir := t.TempDir()
	log, err := msglog.Open(msglog.Options{Dir: filepath.Join(dir, "log"), ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	db, err := store.OpenSQLite(t.Context(), filepath.Join(dir, "db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	info, err := log.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Adopt(t.Context(), info); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, log: log, store: db, away: &away{SQLite: db}}
	w.History = history.New(log, w.away, w.away, w.away, o)
	return w
}

// add appends records in order and waits for them.
func (w *world) add(recs ...chat.Record) {
	w.t.Helper()
	for _, r := range recs {
		done := make(chan error, 1)
		w.log.Append(r, func(seq chat.Seq, err error) {
			r.Seq = seq
			done <- err
		})
		if err := <-done; err != nil {
			w.t.Fatal(err)
		}
		r.At = time.Now().UnixMilli()
		w.recs = append(w.recs, r)
	}
}

// save stores everything through the n-th record, as the persister would, and moves W there.
func (w *world) save(n int) {
	w.t.Helper()
	var cs []chat.Change
	seen := map[chat.MessageID]bool{}
	for _, r := range w.recs[:n] {
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
		cs = append(cs, c)
	}
	if err := w.store.Save(w.t.Context(), 0, cs, chat.Mark{Seq: w.recs[n-1].Seq}); err != nil {
		w.t.Fatal(err)
	}
}

func change(kind chat.Kind, room chat.RoomID, u chat.UserID, id string) chat.Record {
	b := chat.Body{ID: chat.MessageID(id), RoomID: room, User: chat.User{ID: u, Name: string(u)}, At: 5}
	r := chat.Record{Kind: kind, Room: room, ID: chat.MessageID(id), User: u, Sent: 5, Sum: 1}
	switch kind {
	case chat.KindCreate:
		b.Room = &chat.RoomInfo{Name: "room " + string(room), Owner: u}
		r.Subject = u
	case chat.KindUpdate:
		b.Name = &id
	case chat.KindJoin, chat.KindLeave, chat.KindInvite:
		r.Subject = u
	default:
		b.Text = &id
	}
	r.Body = b.Encode()
	return r
}
