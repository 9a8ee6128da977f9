package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/socketio"
)

// answerBody is what an ack carries: data, or an error.
type answerBody struct {
	OK    bool       `json:"ok"`
	Data  any        `json:"data,omitempty"`
	Error *errorBody `json:"error,omitempty"`
}

// errorBody is a refusal as clients see it.
type errorBody struct {
	Code    chat.Code `json:"code"`
	Message string    `json:"message"`
	Retry   int64     `json:"retryAfterMs,omitempty"`
}

func errorOf(e *chat.Error) *errorBody {
	return &errorBody{e.Code, e.Message, e.RetryAfter.Milliseconds()}
}

// reply answers one event, once; later answers are dropped, and so are those to an event that wants none.
type reply struct {
	c    *conn
	ev   *socketio.Event
	due  time.Time // by then it is answered
	done atomic.Bool
}

// ok answers with data.
func (r *reply) ok(data any) {
	r.send(answerBody{OK: true, Data: data}, "")
}

// fail answers with the error that a client may see. A cause that is ours is logged.
func (r *reply) fail(err error) {
	e := chat.AsError(err)
	if e.Code == chat.CodeInternal {
		r.c.g.log.Error("request failed", "event", r.ev.Name, "user", r.c.who.User.ID, "error", err)
	}
	r.send(answerBody{Error: errorOf(e)}, e.Code)
}

// result answers with data, or with err if there is one.
func (r *reply) result(data any, err error) {
	if err != nil {
		r.fail(err)
		return
	}
	r.ok(data)
}

func (r *reply) send(a answerBody, code chat.Code) {
	if !r.wanted(code) {
		return
	}
	e := encoders.Get().(*encoder)
	defer e.release()
	r.ack(e.encode(a)) // which is in its frame when ack returns
}

// wanted counts the answer and says whether it is to go out: the first to an event that wants one.
func (r *reply) wanted(code chat.Code) bool {
	if !r.done.CompareAndSwap(false, true) {
		return false
	}
	r.c.g.counts.answered(code)
	return r.ev.HasAck()
}

// ack sends an encoded answer. An error means that the socket is gone: it will ask again.
func (r *reply) ack(body []byte) { _ = r.ev.AckReady(body) }

// long answers with much data, once the socket has taken most of what it was given.
func (r *reply) long(ctx context.Context, data any) {
	r.longReady(ctx, marshal(answerBody{OK: true, Data: data}))
}

// longReady is long with an answer that is encoded.
func (r *reply) longReady(ctx context.Context, body []byte) {
	r.c.fed(len(body))
	if err := r.c.grant(ctx, len(body)); err != nil {
		r.fail(chat.ErrOverloaded)
		return
	}
	defer r.c.settle(len(body))
	if r.wanted("") {
		r.ack(body)
	}
}
