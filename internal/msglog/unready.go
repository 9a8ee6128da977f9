package msglog

import (
	"log/slog"
	"sync"
	"time"
)

// unreadyPause is how long a line about partitions that can not begin waits for more of them: when the engines stand still, all of a log's
// find that out within a moment.
const unreadyPause = 250 * time.Millisecond

// unready gathers the partitions of a member that can not begin and are not told of yet. The zero value is ready.
type unready struct {
	mu    sync.Mutex
	count int
	last  int // the partition that was noted last
	err   error
}

// note tells the operator, in one line for all partitions that can not begin within a moment, why the last of them can not.
func (u *unready) note(log *slog.Logger, group string, p int, err error) {
	log.Debug("a partition can not begin; it is asked again", "group", group, "partition", p, "err", err)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count == 0 {
		time.AfterFunc(unreadyPause, func() { u.tell(log, group) })
	}
	u.count, u.last, u.err = u.count+1, p, err
}

func (u *unready) tell(log *slog.Logger, group string) {
	u.mu.Lock()
	n, last, err := u.count, u.last, u.err
	u.count, u.err = 0, nil
	u.mu.Unlock()
	if n == 1 {
		log.Warn("a reader of the log can not begin; it is asked again", "group", group, "partition", last, "err", err)
		return
	}
	log.Warn("readers of the log can not begin; they are asked again", "group", group, "partitions", n, "err", err)
}
