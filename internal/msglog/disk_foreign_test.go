package msglog_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// withForeign makes a disk log that holds a record of ours, what else is given, and another record of ours.
func withForeign(t *testing.T, other ...[]byte) *msglog.Disk {
	t.Helper()
	path := t.TempDir()
	dir, err := segment.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := segment.EnsureManifest(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	id, err := m.LogID()
	if err != nil {
		t.Fatal(err)
	}
	log, err := segment.Open(segment.Options{FS: dir, Log: id, Generation: m.Generation})
	if err != nil {
		t.Fatal(err)
	}
	ours := func(id chat.MessageID) []byte {
		return chat.AppendRecord(nil, chat.Record{Kind: chat.KindMessage, Room: "r", ID: id, User: "u", Body: []byte(`{}`)})
	}
	for _, b := range append(append([][]byte{ours("before")}, other...), ours("behind")) {
		done := make(chan error, 1)
		log.Append(b, func(_, _ int64, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := msglog.Open(msglog.Options{Dir: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

var errEnough = errors.New("enough")

// idsOf tails the log from its beginning until its end, or an error.
func idsOf(t *testing.T, d *msglog.Disk) (ids string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = d.Tail(ctx, 0, chat.Mark{Seq: chat.MakeSeq(1, 0) - 1}, func(rs []chat.Record, _ chat.Mark, atEnd bool) error {
		for _, r := range rs {
			ids += string(r.ID) + " "
		}
		if atEnd {
			return errEnough
		}
		return nil
	})
	return ids, err
}

// TestDiskPassesOverWhatNoHubbubWrote: as Kafka does; those behind it are read.
func TestDiskPassesOverWhatNoHubbubWrote(t *testing.T) {
	d := withForeign(t, []byte("plain text"), []byte{1}, []byte{0xff, 0xfe})
	if ids, err := idsOf(t, d); !errors.Is(err, errEnough) || ids != "before behind " {
		t.Errorf("%q, %v", ids, err)
	}
}

// TestDiskStopsInFrontOfANewerRecord: what was acknowledged by a newer version is not skipped; nothing is written behind it.
func TestDiskStopsInFrontOfANewerRecord(t *testing.T) {
	d := withForeign(t, []byte{2, 1, 1, 1})
	ids, err := idsOf(t, d)
	if ids != "before " || !errors.Is(err, chat.ErrNewer) || !errors.Is(err, chat.ErrUnavailable) || !strings.Contains(err.Error(), "run that version") {
		t.Fatalf("%q, %v", ids, err)
	}
	if _, err := d.Info(t.Context()); !errors.Is(err, chat.ErrNewer) {
		t.Errorf("info: %v", err)
	}
	done := make(chan error, 1)
	d.Append(chat.Record{Kind: chat.KindMessage, Room: "r", ID: "late", Body: []byte(`{}`)}, func(_ chat.Seq, err error) { done <- err })
	if err := <-done; !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("append: %v", err)
	}
}
