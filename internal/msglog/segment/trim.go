package segment

import (
	"errors"
	"fmt"
	"io/fs"
)

// Trim removes the segments that hold nothing above through. The newest one stays, so the chain always has a head.
func (l *Log) Trim(through int64) error {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	l.mu.Lock()
	if l.changed == nil {
		l.mu.Unlock()
		return ErrClosed
	}
	for len(l.segments) > 1 && l.segments[1].header.First-1 <= through {
		l.doomed = append(l.doomed, l.segments[0].name)
		l.segments = append([]*segmentFile(nil), l.segments[1:]...)
	}
	doomed := l.doomed
	l.mu.Unlock()
	// One by one and oldest first, each surely gone before the next: a power cut must not leave a hole in the row.
	for _, name := range doomed {
		if err := l.opts.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", name, err)
		}
		if err := l.opts.FS.SyncDir(); err != nil {
			return fmt.Errorf("sync the log directory: %w", err)
		}
		l.mu.Lock()
		l.doomed = l.doomed[1:]
		l.mu.Unlock()
	}
	return nil
}
