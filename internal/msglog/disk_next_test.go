package msglog_test

import (
	"errors"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// A next generation is empty, is above the old one, and begins only where nobody uses the log.
func TestTheNextGenerationOfADisk(t *testing.T) {
	dir := t.TempDir()
	open := func() (*msglog.Disk, chat.LogInfo) {
		t.Helper()
		d, err := msglog.Open(msglog.Options{Dir: dir, ReserveBytes: -1})
		if err != nil {
			t.Fatal(err)
		}
		info, err := d.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return d, info
	}
	say := func(d *msglog.Disk) chat.Seq {
		t.Helper()
		got := make(chan chat.Seq, 1)
		d.Append(chat.Record{Kind: chat.KindMessage, ID: "m1", Room: "r", User: "ann", Body: []byte(`{"text":"hello"}`)},
			func(s chat.Seq, err error) {
				if err != nil {
					t.Error(err)
				}
				got <- s
			})
		return <-got
	}
	d, old := open()
	last := say(d)
	var locked *segment.LockedError
	if err := msglog.NextDisk(dir, 1); !errors.As(err, &locked) {
		t.Errorf("under a running hubbub: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := msglog.NextDisk(dir, 1); err != nil {
		t.Fatal(err)
	}
	var identity *segment.IdentityError
	if err := msglog.NextDisk(dir, 1); !errors.As(err, &identity) {
		t.Errorf("a second time: %v", err)
	}
	d, info := open()
	defer d.Close()
	if p := info.Partitions[0]; info.ID == old.ID || info.Generation != 2 || p.Last >= p.First || p.First <= last {
		t.Errorf("the next generation is %+v, the old one ended at %d", info, last)
	}
	if first := say(d); first <= last || first.Generation() != 2 {
		t.Errorf("its first record is %d, the old one's last was %d", first, last)
	}
}
