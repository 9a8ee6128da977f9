package hub

import (
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// window is a room's memory of ids: the first copies of the last ten minutes of log by the log's own append time; messages bounded in
// number besides, all other records by time alone, since folding a change of membership twice would undo what came between.
type window struct {
	span       int64 // ms
	maxMsgs    int
	maxChanges int
	ids        map[chat.MessageID]memo
	msgs       queue
	changes    queue
}

// memo is what is kept of a record.
type memo struct {
	receipt chat.Receipt
	at      int64
}

// queue holds ids, oldest first.
type queue []chat.MessageID

func newWindow(span time.Duration, messages, changes int) window {
	return window{span: span.Milliseconds(), maxMsgs: messages, maxChanges: changes, ids: map[chat.MessageID]memo{}}
}

// add says whether r is a copy of what is remembered, else remembers it. forgot: ids of changes that had to go for want of space.
func (w *window) add(r chat.Record) (isCopy bool, forgot int) {
	w.expire(&w.msgs, r.At)
	w.expire(&w.changes, r.At)
	if first, ok := w.ids[r.ID]; ok {
		return first.receipt.Seq < r.Seq, 0
	}
	w.ids[r.ID] = memo{chat.Receipt{ID: r.ID, Seq: r.Seq, Sent: r.Sent, Sum: r.Sum}, r.At}
	if isMessage(r.Kind) {
		w.msgs = append(w.msgs, r.ID)
		w.trim(&w.msgs, w.maxMsgs)
		return false, 0
	}
	w.changes = append(w.changes, r.ID)
	return false, w.trim(&w.changes, w.maxChanges)
}

// seen gives the receipt of an id that is remembered.
func (w *window) seen(id chat.MessageID) (chat.Receipt, bool) {
	m, ok := w.ids[id]
	return m.receipt, ok
}

// expire forgets what is older than the window, seen from a record of time at.
func (w *window) expire(q *queue, at int64) {
	for len(*q) > 0 && w.ids[(*q)[0]].at < at-w.span {
		w.pop(q)
	}
}

func (w *window) trim(q *queue, most int) (n int) {
	for ; len(*q) > most; n++ {
		w.pop(q)
	}
	return n
}

func (w *window) pop(q *queue) {
	delete(w.ids, (*q)[0])
	(*q)[0] = ""
	*q = (*q)[1:]
}

// isMessage says whether a kind is shown in a list of messages.
func isMessage(k chat.Kind) bool { return k == chat.KindMessage || k == chat.KindTombstone }
