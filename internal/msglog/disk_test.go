package msglog_test

import (
	"log/slog"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/logtest"
)

// TestDiskConformance runs the port's suite on a real directory, with segments so small that most tests cross some.
func TestDiskConformance(t *testing.T) {
	t.Parallel()
	logtest.Run(t, func(t *testing.T) logtest.Harness {
		o := msglog.Options{Dir: t.TempDir(), Partitions: logtest.Partitions, SegmentBytes: 32 << 10, ReserveBytes: -1, CacheBytes: 1,
			Logger: slog.New(slog.DiscardHandler)}
		var d *msglog.Disk
		open := func(t *testing.T) chat.Log {
			t.Helper()
			var err error
			if d, err = msglog.Open(o); err != nil {
				t.Fatal(err)
			}
			return d
		}
		h := logtest.Harness{Log: open(t)}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		h.Other = func(*testing.T) chat.Log { return d }
		h.Reopen = func(t *testing.T) chat.Log {
			t.Helper()
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t)
		}
		return h
	})
}
