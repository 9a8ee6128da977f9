package crowd

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Verdict is what a judgement counted.
type Verdict struct {
	Acked, Kept int
	Seen, Gaps  int // by all readers together
}

func (v Verdict) String() string {
	return fmt.Sprintf("%d acked, %d in history, %d seen, %d explicit gaps", v.Acked, v.Kept, v.Seen, v.Gaps)
}

// Judge holds what was acked and seen against history: acked ⊆ history, each id once; every person saw the order of history, got all of
// it from his join on or an explicit gap; and nothing that was seen is missing from history. Every breach is in the error, the first
// dozen in words.
func Judge(people []*Person, kept History) (Verdict, error) {
	v := Verdict{Kept: kept.Count()}
	var bad []error
	for _, room := range slices.Sorted(maps.Keys(kept)) {
		h := kept[room]
		x, errs := index(room, h)
		bad = append(bad, errs...)
		for _, p := range people {
			p.Seen.mu.Lock()
			acked, errs := x.judgeAcks(p.Seen)
			bad = append(bad, errs...)
			n, gaps, errs := x.judgeStream(p.Name, p.Seen.room(room))
			bad = append(bad, errs...)
			p.Seen.mu.Unlock()
			v.Acked, v.Seen, v.Gaps = v.Acked+acked, v.Seen+n, v.Gaps+gaps
		}
	}
	for _, p := range people {
		p.Seen.mu.Lock()
		for _, a := range p.Seen.acks {
			if _, known := kept[a.room]; !known {
				bad = append(bad, fmt.Errorf("%s: %s was acked in room %s, which has no history", p.Name, a.text, a.room))
			}
		}
		for _, b := range p.Seen.bad {
			bad = append(bad, errors.New(b))
		}
		p.Seen.mu.Unlock()
	}
	return v, errors.Join(first(bad)...)
}

// indexed is the history of a room, by everything it is asked by.
type indexed struct {
	room  string
	rows  []Message
	ids   map[string]Message
	texts map[string]bool
	seqs  map[int64]Message
}

func index(room string, h []Message) (*indexed, []error) {
	x := &indexed{room: room, rows: h, ids: map[string]Message{}, texts: map[string]bool{}, seqs: map[int64]Message{}}
	var bad []error
	for i, m := range h {
		if _, twice := x.ids[m.ID]; twice || x.texts[m.Text] {
			bad = append(bad, fmt.Errorf("room %s: %s (%q) is in history twice", room, m.ID, m.Text))
		}
		if m.Deleted {
			bad = append(bad, fmt.Errorf("room %s: %s at %d could not be kept", room, m.ID, m.Seq))
		}
		if i > 0 && h[i-1].Seq >= m.Seq {
			bad = append(bad, fmt.Errorf("room %s: history goes from %d to %d", room, h[i-1].Seq, m.Seq))
		}
		x.ids[m.ID], x.texts[m.Text], x.seqs[m.Seq] = m, true, m
	}
	return x, bad
}

// judgeAcks: what was acked is in history, under that id with that text.
func (x *indexed) judgeAcks(w *Witness) (n int, bad []error) {
	for _, a := range w.acks {
		if a.room != x.room {
			continue
		}
		n++
		if m, ok := x.ids[a.id]; !ok {
			bad = append(bad, fmt.Errorf("%s: %s was acked as %s and is not in history of room %s", w.name, a.text, a.id, x.room))
		} else if m.Text != a.text {
			bad = append(bad, fmt.Errorf("%s: %s was acked as %s, which is %q in history of room %s", w.name, a.text, a.id, m.Text, x.room))
		}
	}
	return n, bad
}

// judgeStream: what was seen is a part of history in its order, and what is not seen of it lies in a gap that was told. Requires the
// witness's lock.
func (x *indexed) judgeStream(name string, s *stream) (n, gaps int, bad []error) {
	got := map[int64]bool{}
	last := int64(-1)
	for _, e := range s.events {
		if e.seq <= last {
			bad = append(bad, fmt.Errorf("%s saw %d after %d in room %s", name, e.seq, last, x.room))
		}
		last = e.seq
		if !e.message {
			continue
		}
		n++
		got[e.seq] = true
		switch m, ok := x.seqs[e.seq]; {
		case !ok || m.ID != e.id:
			bad = append(bad, fmt.Errorf("%s saw %s at %d in room %s, history has %q there", name, e.id, e.seq, x.room, m.ID))
		case m.Text != e.text:
			bad = append(bad, fmt.Errorf("%s saw %q at %d in room %s, history has %q there", name, e.text, e.seq, x.room, m.Text))
		}
	}
	if !s.started {
		return n, len(s.gaps), append(bad, fmt.Errorf("%s never joined room %s", name, x.room))
	}
	for _, m := range x.rows {
		if m.Seq <= s.start || got[m.Seq] {
			continue
		}
		told := slices.ContainsFunc(s.gaps, func(g [2]int64) bool { return m.Seq > g[0] && m.Seq <= g[1] })
		if !told {
			bad = append(bad, fmt.Errorf("%s never got %d of room %s, and no gap says so", name, m.Seq, x.room))
		}
	}
	return n, len(s.gaps), bad
}
