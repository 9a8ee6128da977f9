package persist

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Mismatch says that the log is not the one the store belongs to, or no longer what it was. Nothing is saved and no append may be
// accepted until an operator has looked: guessing would mix two histories. It is a *chat.Error of code unavailable to errors.As.
type Mismatch struct {
	Message string // one sentence that names both
	Since   time.Time
}

func (m *Mismatch) Error() string { return m.Message }

// Unwrap gives the refusal as a client may see it.
func (m *Mismatch) Unwrap() error {
	return &chat.Error{Code: chat.CodeUnavailable, Message: m.Message, RetryAfter: chat.ErrUnavailable.RetryAfter}
}

func mismatchf(format string, args ...any) *Mismatch {
	return &Mismatch{Message: fmt.Sprintf(format, args...), Since: time.Now()}
}

// Verify compares what the store remembers of its log with the log as it is, read after it: same name, generation and count, and no
// partition ends before W. The error is a *Mismatch. A store that remembers nothing fits every log.
func Verify(st chat.ArchiveState, info chat.LogInfo) error {
	was := st.Log
	switch {
	case was.ID == "":
		return nil
	case was.ID != info.ID || was.Generation != info.Generation:
		return mismatchf("the store belongs to the log %s (generation %d), but this log is %s (generation %d); to begin a new one run: hubbub log next",
			was.ID, was.Generation, info.ID, info.Generation)
	case len(was.Partitions) != len(info.Partitions):
		return mismatchf("the log %s had %d partitions when the store took it on, but has %d now; a room's place would change",
			info.ID, len(was.Partitions), len(info.Partitions))
	}
	for p, part := range info.Partitions {
		if w := markOf(st, p).Seq; w > part.Last && w.Generation() >= part.First.Generation() {
			return mismatchf("the log %s ends at %d in partition %d, before %d, through which the store has saved it: records are lost",
				info.ID, part.Last, p, w)
		}
	}
	return nil
}

// verifyStart says whether something was trimmed that the store does not have. Its state is read after the log's, since another
// persister may save and trim in between.
func verifyStart(st chat.ArchiveState, info chat.LogInfo) error {
	for p, part := range info.Partitions {
		if w := markOf(st, p).Seq; part.First.Offset() > 0 && w < part.First-1 {
			return mismatchf("the log %s begins at %d in partition %d, but the store has saved it only through %d: records are lost",
				info.ID, part.First, p, w)
		}
	}
	return nil
}

// Check compares the store's log with the log. A store that remembers none adopts it. Errors: *Mismatch, which State keeps; others
// when one of the two does not answer.
func (s *Persister) Check(ctx context.Context) error {
	_, _, err := s.check(ctx, true)
	return err
}

// errLog marks an error of check as the log's, not the store's.
var errLog = errors.New("the log does not answer")

// check is Check, with what it read. A store that forgot its log may take one on when a partition begins, never while one is saved.
func (s *Persister) check(ctx context.Context, mayAdopt bool) (chat.ArchiveState, chat.LogInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opt.Wait)
	defer cancel()
	st, err := s.readState(ctx)
	if err != nil {
		return st, chat.LogInfo{}, err
	}
	info, err := s.log.Info(ctx)
	if err != nil {
		return st, info, fmt.Errorf("ask how far the log reaches: %w: %w", errLog, err)
	}
	if mayAdopt && (st.Log.ID == "" || s.isAdopting()) {
		if st, err = s.adopt(ctx, info); err != nil {
			return st, info, err
		}
	}
	err = Verify(st, info)
	if err == nil && verifyStart(st, info) != nil {
		if st, err = s.readState(ctx); err != nil {
			return st, info, err
		}
		err = verifyStart(st, info)
	}
	s.refuse(byCheck, err)
	return st, info, err
}

func (s *Persister) readState(ctx context.Context) (chat.ArchiveState, error) {
	st, err := s.archive.State(ctx)
	if err != nil {
		return st, fmt.Errorf("read the watermark from the store: %w", err)
	}
	return st, nil
}

// adopt makes info the store's log. What was trimmed before that is not the store's: W begins behind it. Whoever is second to adopt
// finds another log in the state that is read afterwards.
func (s *Persister) adopt(ctx context.Context, info chat.LogInfo) (st chat.ArchiveState, err error) {
	if err := s.archive.Adopt(ctx, info); err != nil {
		return st, fmt.Errorf("remember the log in the store: %w", err)
	}
	s.setAdopting(true) // until W stands everywhere: an error in between is no reason to refuse the log
	for p, part := range info.Partitions {
		if part.First.Offset() == 0 {
			continue
		}
		s.logger.Warn("a new store begins in the middle of a log", "log", info.ID, "partition", p, "position", part.First)
		if err := s.archive.Save(ctx, p, nil, chat.Mark{Seq: part.First - 1}); err != nil {
			return st, fmt.Errorf("set the watermark of a new store: %w", err)
		}
	}
	s.setAdopting(false)
	s.logger.Info("the store takes on a log", "log", info.ID, "generation", info.Generation, "partitions", len(info.Partitions))
	return s.readState(ctx)
}

func (s *Persister) setAdopting(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adopting = on
}

func (s *Persister) isAdopting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.adopting
}
