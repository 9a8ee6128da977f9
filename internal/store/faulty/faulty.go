// Package faulty wraps a store for a test build, so that it can be taken away and given back from outside: a small file says how it
// fails, and outlives a restart of the process.
package faulty

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Level says what fails.
type Level string

// The levels, as the file names them.
const (
	OK     Level = "ok"     // nothing
	Writes Level = "writes" // Save, Bury, Adopt
	All    Level = "all"    // every call
)

// Engine is a store seen through all its ports.
type Engine interface {
	chat.Archive
	chat.Messages
	chat.Directory
}

// Store is an Engine that fails as its file says. The file holds a level and, if wanted, a delay of every call: "writes", "ok 200ms".
// A file that is not there says ok; one that makes no sense fails every call, so that a mistyped trial does not pass.
type Store struct {
	engine Engine
	path   string

	mu     sync.Mutex
	stamp  time.Time // of the file as it was last read
	size   int64
	level  Level
	delay  time.Duration
	reason error
}

var _ Engine = (*Store)(nil)

// Wrap wraps an engine; the file may come and go later.
func Wrap(e Engine, path string) *Store { return &Store{engine: e, path: path, level: OK} }

// ErrInjected is what failing calls wrap, beside chat.ErrUnavailable.
var ErrInjected = errors.New("a fault of the trial")

// pass waits as long as the file says, and fails if it says so.
func (s *Store) pass(ctx context.Context, write bool) error {
	level, delay, err := s.read()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w: %w", chat.ErrUnavailable, ErrInjected, err)
	case level == All, level == Writes && write:
		return fmt.Errorf("%w: %w: %s", chat.ErrUnavailable, ErrInjected, level)
	}
	return nil
}

// read looks at the file, and reads it if it has changed.
func (s *Store) read() (Level, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(s.path)
	if errors.Is(err, os.ErrNotExist) {
		s.stamp, s.size, s.level, s.delay, s.reason = time.Time{}, 0, OK, 0, nil
		return OK, 0, nil
	}
	if err != nil {
		return All, 0, err
	}
	if !info.ModTime().Equal(s.stamp) || info.Size() != s.size {
		data, err := os.ReadFile(s.path)
		if err != nil {
			return All, 0, err
		}
		s.stamp, s.size = info.ModTime(), info.Size()
		s.level, s.delay, s.reason = parse(string(data))
	}
	return s.level, s.delay, s.reason
}

func parse(text string) (Level, time.Duration, error) {
	words := strings.Fields(text)
	if len(words) == 0 || len(words) > 2 {
		return All, 0, fmt.Errorf("%q is no level of faults", text)
	}
	level := Level(words[0])
	if level != OK && level != Writes && level != All {
		return All, 0, fmt.Errorf("%q is no level of faults", words[0])
	}
	if len(words) == 1 {
		return level, 0, nil
	}
	delay, err := time.ParseDuration(words[1])
	if err != nil || delay < 0 {
		return All, 0, fmt.Errorf("%q is no delay", words[1])
	}
	return level, delay, nil
}
