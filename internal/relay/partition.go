package relay

import (
	"cmp"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// spanBytes is about how long an encoded span may be; longer ones are cut into several.
const spanBytes = 512 << 10

// partition is what a relay remembers of one partition. All but shown belongs to the log's serial calls.
type partition struct {
	number   int
	every    time.Duration // between two digests
	headsMax int

	place  chat.Seq                 // read so far
	p0     chat.Seq                 // where the digest in the making begins
	heads  map[chat.RoomID]chat.Seq // the last record of each room that changed since p0
	atEnd  bool                     // has read to the log's end since the last digest
	due    time.Time                // of the next digest
	called time.Time                // when the log last called

	shown Place // guarded by Relay.mu
}

func newPartition(p int, end chat.Seq, o Options, now time.Time) *partition {
	return &partition{number: p, every: o.Times.Digest, headsMax: o.HeadsMax, place: end, p0: end,
		heads: map[chat.RoomID]chat.Seq{}, due: now, called: now, shown: Place{Partition: p, Seq: end}}
}

// forgetful bounds the heads: between two polls they may be dropped, with p0 = place. That costs the hubs fills, no more.
func (p *partition) forgetful() bool {
	if len(p.heads) < p.headsMax {
		return false
	}
	p.p0, p.heads = p.place, map[chat.RoomID]chat.Seq{}
	return true
}

// fence gives a place after which the room has no record that this relay has not read: its head since the last digest, else where
// that digest ended. So nothing need be remembered for longer than a digest takes.
func (p *partition) fence(room chat.RoomID) chat.Seq {
	if head, ok := p.heads[room]; ok {
		return head
	}
	return p.p0
}

// spans gives one span per room of a poll, or several on end where one would be too long, in the order in which the rooms came.
func (p *partition) spans(rs []chat.Record, did *Stats) []chat.Note {
	byRoom := map[chat.RoomID][]chat.Record{}
	var rooms []chat.RoomID
	for i, r := range rs {
		if r.Seq <= p.place { // handed over again: has been said
			continue
		}
		if byRoom[r.Room] == nil {
			rooms = append(rooms, r.Room)
			byRoom[r.Room] = rs[i : i+1 : i+1] // of many rooms only one has spoken, and needs no list of its own
			continue
		}
		byRoom[r.Room] = append(byRoom[r.Room], r)
	}
	var notes []chat.Note
	for _, room := range rooms {
		for part := range cut(byRoom[room]) {
			s := chat.Span{From: p.fence(room), To: part[len(part)-1].Seq, Records: part}
			p.heads[room] = s.To
			notes = append(notes, chat.Note{Partition: p.number, Channel: chat.RoomChannel(room), Data: s.Encode()})
			did.Spans++
			did.Records += uint64(len(part))
		}
	}
	return notes
}

// cut gives rs in runs of at most spanBytes; a single record may be longer.
func cut(rs []chat.Record) func(yield func([]chat.Record) bool) {
	return func(yield func([]chat.Record) bool) {
		from, size := 0, 0
		for i, r := range rs {
			if size += r.Size(); size > spanBytes && i > from {
				if !yield(rs[from:i]) {
					return
				}
				from, size = i, r.Size()
			}
		}
		if from < len(rs) {
			yield(rs[from:])
		}
	}
}

// advance notes how far a poll has read.
func (p *partition) advance(upTo chat.Seq, atEnd bool) {
	p.place = max(p.place, upTo)
	p.atEnd = p.atEnd || atEnd
}

// digest gives the partition's digest if one is due: in each period in which the relay has read to the log's end, also when nothing
// happened. It is asked by the calls of the log and by nothing else, so a relay whose reads hang, or which is far behind, gives none.
func (p *partition) digest(now time.Time) (chat.Digest, bool) {
	due := p.isDue(now)
	p.called = now
	if !p.atEnd || !due {
		return chat.Digest{}, false
	}
	p.due = now.Add(p.every)
	d := chat.Digest{P0: p.p0, P1: p.place, Heads: p.heads}
	p.p0, p.heads, p.atEnd = p.place, map[chat.RoomID]chat.Seq{}, false
	return d, true
}

// isDue says whether a period is over, or would be over for long before the next call, if that is as far away as the last one was:
// an idle log calls about once a second, never exactly, and a call just before the time must not leave the period without a digest.
func (p *partition) isDue(now time.Time) bool {
	next := now.Add(now.Sub(p.called))
	tooLate := next.After(p.due.Add(p.every / 4))
	return !now.Before(p.due) || tooLate && !now.Before(p.due.Add(-p.every/2))
}

func places(parts map[int]*partition) []Place {
	out := make([]Place, 0, len(parts))
	for _, p := range parts {
		out = append(out, p.shown)
	}
	slices.SortFunc(out, func(a, b Place) int { return cmp.Compare(a.Partition, b.Partition) })
	return out
}
