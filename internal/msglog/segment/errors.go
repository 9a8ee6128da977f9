package segment

import (
	"errors"
	"fmt"
)

// What an append is refused with. Full and Refused were never written; Unsure may have been.
var (
	ErrFull    = errors.New("too many appends are waiting")
	ErrRefused = errors.New("the log takes no appends now")
	ErrUnsure  = errors.New("the write or its sync failed")
)

// What a read is refused with: the place is no longer kept, lies beyond the end, or the log is closed.
var (
	ErrTrimmed = errors.New("trimmed")
	ErrBeyond  = errors.New("beyond the end")
	ErrClosed  = errors.New("the log is closed")
)

// DamageError says that what was once synced is no longer what was written.
type DamageError struct {
	File   string // name in the log's directory
	Pos    int64  // byte offset of the first thing that is wrong
	Offset int64  // of the record that should be there, -1: none
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("log file %s is damaged at byte %d: %s", e.File, e.Pos, e.Reason)
}

// FormatError says that the files come from a newer program.
type FormatError struct{ Found int }

func (e *FormatError) Error() string {
	return fmt.Sprintf("the log was written by a newer hubbub (format %d, this one reads up to %d): run the newer one", e.Found, FormatVersion)
}

// LockedError says that another process has the directory.
type LockedError struct{ Dir string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("the log directory %s is in use: another hubbub holds it; stop that one, or give this one a directory of its own", e.Dir)
}

// IdentityError says that a file is not of this log, or the log not of this shape.
type IdentityError struct{ Reason string }

func (e *IdentityError) Error() string { return e.Reason }
