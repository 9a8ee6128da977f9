package gateway

import (
	"context"
	"encoding/json"
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
	if r.wanted(code) {
		r.ack(marshal(a))
	}
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
func (r *reply) ack(body []byte) { _ = r.ev.Ack(json.RawMessage(body)) }

// long answers with much data, once the socket has taken most of what it was given.
func (r *reply) long(ctx context.Context, data any) {
	body := marshal(answerBody{OK: true, Data: data})
	if err := r.c.grant(ctx, len(body)); err != nil {
		r.fail(chat.ErrOverloaded)
		return
	}
	defer r.c.settle(len(body))
	if r.wanted("") {
		r.ack(body)
	}
}

// messagePage is a run of messages in an answer.
type messagePage struct {
	Messages []json.RawMessage `json:"messages"`
	HasMore  bool              `json:"hasMore"`
	Newer    bool              `json:"newer"`
	AsOf     chat.Seq          `json:"asOf"`
	Gap      *gapBody          `json:"gap,omitempty"`
}

// pageOf makes a page as clients see it, of at most so many bytes of messages but at least one: the others are as if the limit had
// been lower. It is shortened at the end that the reader gets to by asking on.
func pageOf(p chat.Page, r chat.Range, most int) messagePage {
	out := messagePage{HasMore: p.HasMore, Newer: p.Newer, AsOf: p.AsOf}
	if p.Gap != nil {
		g := gapJSON(*p.Gap)
		out.Gap = &g
	}
	total := 0
	for _, row := range p.Rows {
		total += row.Size()
	}
	rows := p.Rows
	for len(rows) > 1 && total > most {
		last := rows[len(rows)-1]
		switch {
		case r.After != 0:
			total, rows, out.HasMore = total-last.Size(), rows[:len(rows)-1], true
		case r.Around != 0 && last.Seq-r.Around > r.Around-rows[0].Seq:
			total, rows, out.Newer = total-last.Size(), rows[:len(rows)-1], true
		default:
			total, rows, out.HasMore = total-rows[0].Size(), rows[1:], true
		}
	}
	out.Newer = out.Newer || r.After != 0 && out.HasMore // asked with after it is the same
	out.Messages = make([]json.RawMessage, len(rows))
	for i, row := range rows {
		out.Messages[i] = chat.AppendEvent(nil, chat.Shown(row))
	}
	return out
}
