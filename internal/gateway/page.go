package gateway

import (
	"bytes"
	"runtime"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/wellformed"
)

// cutPage shortens a page to so many bytes of messages but at least one: the others are as if the limit had been lower. It is shortened
// at the end that the reader gets to by asking on.
func cutPage(p chat.Page, r chat.Range) chat.Page {
	total := 0
	for _, row := range p.Rows {
		total += row.Size()
	}
	for n := len(p.Rows); n > 1 && total > r.Bytes; n = len(p.Rows) {
		last := p.Rows[n-1]
		switch {
		case r.After != 0:
			total, p.Rows, p.HasMore = total-last.Size(), p.Rows[:n-1], true
		case r.Around != 0 && last.Seq-r.Around > r.Around-p.Rows[0].Seq:
			total, p.Rows, p.Newer = total-last.Size(), p.Rows[:n-1], true
		default:
			total, p.Rows, p.HasMore = total-p.Rows[0].Size(), p.Rows[1:], true
		}
	}
	p.Newer = p.Newer || r.After != 0 && p.HasMore // asked with after it is the same
	return p
}

// messagePage is a page as clients see it. The messages are put in where it is encoded; see answerOfPage.
type messagePage struct {
	Messages [0]struct{} `json:"messages"`
	HasMore  bool        `json:"hasMore"`
	Newer    bool        `json:"newer"`
	AsOf     chat.Seq    `json:"asOf"`
	Gap      *gapBody    `json:"gap,omitempty"`
}

func pageOf(p chat.Page) messagePage {
	out := messagePage{HasMore: p.HasMore, Newer: p.Newer, AsOf: p.AsOf}
	if p.Gap != nil {
		g := gapJSON(*p.Gap)
		out.Gap = &g
	}
	return out
}

// encodeAtOnce is how many bytes of messages are encoded before others get their turn: a fraction of a millisecond. Go would let a page
// have the processor for ten.
const encodeAtOnce = 32 << 10

// noMessages is what an answer with a messagePage has once. In a string it would have backslashes.
var noMessages = []byte(`"messages":[]`)

// answerOfPage makes an answer whose data have a messagePage, with these messages in it: encoding/json would read every body, which is
// JSON already, three times more.
func answerOfPage(data any, rows []chat.Record) []byte {
	frame := marshal(answerBody{OK: true, Data: data})
	at := bytes.Index(frame, noMessages) + len(noMessages) - 1
	size := len(frame)
	for _, row := range rows {
		size += row.Size() + 32
	}
	out := append(make([]byte, 0, size), frame[:at]...)
	turn := len(out)
	for i, row := range rows {
		if i > 0 {
			out = append(out, ',')
		}
		out = chat.AppendEvent(out, chat.Shown(row, wellformed.Object))
		if len(out)-turn > encodeAtOnce {
			runtime.Gosched()
			turn = len(out)
		}
	}
	return append(out, frame[at:]...)
}
