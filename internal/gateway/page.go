package gateway

import (
	"runtime"
	"strconv"

	"github.com/hubbub-chat/hubbub/internal/chat"
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

// encodeAtOnce is how many bytes of a page are encoded before others get their turn: a fraction of a millisecond. Go would let a page
// have the processor for ten.
const encodeAtOnce = 32 << 10

// appendPage appends a page's fields as clients see them:
//
//	"messages":[…],"hasMore":…,"newer":…,"asOf":…,"gap":{…}
//
// By hand: encoding/json would read every body, which is JSON already, three times more.
func appendPage(dst []byte, p chat.Page) []byte {
	dst = append(dst, `"messages":[`...)
	turn := len(dst)
	for i, row := range p.Rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = chat.AppendEvent(dst, chat.Shown(row))
		if len(dst)-turn > encodeAtOnce {
			runtime.Gosched()
			turn = len(dst)
		}
	}
	dst = strconv.AppendBool(append(dst, `],"hasMore":`...), p.HasMore)
	dst = strconv.AppendBool(append(dst, `,"newer":`...), p.Newer)
	dst = strconv.AppendInt(append(dst, `,"asOf":`...), int64(p.AsOf), 10)
	if p.Gap != nil {
		dst = append(append(dst, `,"gap":`...), marshal(gapJSON(*p.Gap))...)
	}
	return dst
}

// answerOfPage makes an answer whose data are a page, behind fields that begin it: "name":value, each with a comma behind it.
func answerOfPage(p chat.Page, begin []byte) []byte {
	size := len(begin) + 256
	for _, row := range p.Rows {
		size += row.Size() + 32
	}
	dst := append(make([]byte, 0, size), `{"ok":true,"data":{`...)
	dst = appendPage(append(dst, begin...), p)
	return append(dst, "}}"...)
}
