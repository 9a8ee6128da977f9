package chat

import (
	"errors"
	"fmt"
	"time"
)

// Code is what a program may rely on in an error.
type Code string

// The codes of every refusal. They are part of the protocol: docs/protocol.md lists them.
const (
	CodeInvalid      Code = "invalid"
	CodeTooLarge     Code = "too_large"
	CodeUnauthorized Code = "unauthorized"
	CodeForbidden    Code = "forbidden"
	CodeNotFound     Code = "not_found"
	CodeConflict     Code = "conflict"
	CodeRateLimited  Code = "rate_limited"
	CodeOverloaded   Code = "overloaded"
	CodeUnavailable  Code = "unavailable"
	CodeUnknown      Code = "unknown"
	CodeInternal     Code = "internal"
)

// Error is a refusal as a client sees it: a code for programs, a sentence for people.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration // 0: not told
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors.Is(err, ErrNotFound) true for every error of that code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Errorf makes an Error of the given code.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// after gives a copy of e that says when to try again.
func (e *Error) after(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// The errors that ports answer with. Engines wrap them (%w) or return them as they are; errors.Is compares codes.
var (
	ErrNotFound    = &Error{Code: CodeNotFound, Message: "there is no such room or message"}
	ErrUnavailable = &Error{Code: CodeUnavailable, Message: "this can not be known or done right now; try again", RetryAfter: time.Second}
	ErrOverloaded  = &Error{Code: CodeOverloaded, Message: "too much is waiting; try again", RetryAfter: time.Second}
	ErrUnknown     = &Error{Code: CodeUnknown, Message: "it may or may not have been stored; retry with the same clientId", RetryAfter: time.Second}
	ErrConflict    = &Error{Code: CodeConflict, Message: "this clientId was used for something else"}
)

// ErrTrimmed says that the log no longer holds what was asked for; ErrRewound that a Mark's proof does not match: the log went back
// or is another one. Both come from Log.Tail and make no sense to a client.
var (
	ErrTrimmed = errors.New("the log is trimmed behind this place")
	ErrRewound = errors.New("the log is not the one this place was taken from")
)

// ErrStoreFailed says that it is no record's fault that something could not be saved: the store's disk is full or failing, or its file
// damaged. The persister pauses, and gives nothing up. It comes from Archive.Save and Bury, beside ErrUnavailable.
var ErrStoreFailed = errors.New("the store itself is at fault")

// AsError gives the refusal that a client may see for err: err's own, or an internal one whose cause stays in the server's log.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Errorf(CodeInternal, "something went wrong on the server")
}
