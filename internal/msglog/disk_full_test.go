package msglog_test

import (
	"errors"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// TestNoSpaceIsTold: without a reserve, and under a quota that the volume does not show, a full disk is no secret of those whose appends
// are refused.
func TestNoSpaceIsTold(t *testing.T) {
	disk := faultfs.New()
	o := onDisk(disk, 2)
	o.ReserveBytes = -1
	d := mustOpen(t, o)
	disk.SetHook(func(op faultfs.Op) *faultfs.Fault {
		if op.Kind == faultfs.Resize {
			return &faultfs.Fault{Err: segment.ErrNoSpace}
		}
		return nil
	})
	room, n := roomIn(1, 2), 0
	for ; n < 1000; n++ {
		if _, err := send(d, room, n); errors.Is(err, chat.ErrUnavailable) {
			break
		}
	}
	if n == 1000 || !d.Stats().Full {
		t.Fatalf("after %d appends: %+v", n, d.Stats())
	}
	disk.SetHook(nil)
	if _, err := send(d, room, n); err != nil || d.Stats().Full {
		t.Fatalf("once there is space: %v, %+v", err, d.Stats())
	}
}
