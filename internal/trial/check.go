package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// message is one of history.
type message struct {
	Seq      int64
	ID, Text string
	Deleted  bool
}

// history reads a whole room, page by page, as any client could.
func history(ctx context.Context, p *person, room string) ([]message, error) {
	var all []message
	for after := int64(0); ; {
		payload := map[string]any{"roomId": room, "limit": 100, "after": after}
		var page struct {
			Messages []message
			HasMore  bool
			Gap      json.RawMessage
		}
		var bad error
		err := p.call(ctx, "message:list", payload, func(raw json.RawMessage) { bad = json.Unmarshal(raw, &page) })
		if err = errors.Join(err, bad); err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", room, err)
		}
		if page.Gap != nil {
			return nil, fmt.Errorf("the history of %s has a gap: %s", room, page.Gap)
		}
		if page.HasMore && len(page.Messages) == 0 {
			return nil, fmt.Errorf("the history of %s: an empty page promises more", room)
		}
		all = append(all, page.Messages...)
		if !page.HasMore {
			return all, nil
		}
		after = all[len(all)-1].Seq
	}
}

// settle waits until every person has seen the last message of every room.
func settle(ctx context.Context, people []*person, kept map[string][]message) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		behind := ""
		for _, p := range people {
			for room, h := range kept {
				if n := len(h); n > 0 && p.seen.last(room) < h[n-1].Seq {
					behind = fmt.Sprintf("%s has not seen the end of room %s (%d of %d)", p.name, room, p.seen.last(room), h[n-1].Seq)
				}
			}
		}
		if behind == "" {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.New(behind)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// judge holds what was acked and seen against history: acked ⊆ history, each id once; every person saw the order of history, got all of
// it from his join on or an explicit gap; and nothing that was seen is missing from history.
func judge(people []*person, kept map[string][]message) (report string, err error) {
	var bad []error
	acked, seenCount, gaps := 0, 0, 0
	for room, h := range kept {
		ids, texts, seqs := map[string]int64{}, map[string]bool{}, map[int64]string{}
		for i, m := range h {
			if _, twice := ids[m.ID]; twice || texts[m.Text] {
				bad = append(bad, fmt.Errorf("room %s: %s (%q) is in history twice", room, m.ID, m.Text))
			}
			if i > 0 && h[i-1].Seq >= m.Seq {
				bad = append(bad, fmt.Errorf("room %s: history goes from %d to %d", room, h[i-1].Seq, m.Seq))
			}
			ids[m.ID], texts[m.Text], seqs[m.Seq] = m.Seq, true, m.ID
		}
		for _, p := range people {
			w := p.seen
			for _, a := range w.acks {
				if a.room != room {
					continue
				}
				acked++
				if _, ok := ids[a.id]; !ok || !texts[a.text] {
					bad = append(bad, fmt.Errorf("%s: %s was acked and is not in history", p.name, a.text))
				}
			}
			n, g, errs := judgeStream(p.name, room, w.room(room), h, seqs)
			seenCount, gaps, bad = seenCount+n, gaps+g, append(bad, errs...)
		}
	}
	for _, p := range people {
		for _, b := range p.seen.bad {
			bad = append(bad, errors.New(b))
		}
	}
	if len(bad) > 12 {
		bad = append(bad[:12], fmt.Errorf("and %d more", len(bad)-12))
	}
	total := 0
	for _, h := range kept {
		total += len(h)
	}
	return fmt.Sprintf("%d acked, %d in history, %d seen, %d explicit gaps", acked, total, seenCount, gaps), errors.Join(bad...)
}

func judgeStream(name, room string, s *stream, h []message, seqs map[int64]string) (n, gaps int, bad []error) {
	got := map[int64]bool{}
	for _, e := range s.events {
		if !e.message {
			continue
		}
		n++
		got[e.seq] = true
		if id, ok := seqs[e.seq]; !ok || id != e.id {
			bad = append(bad, fmt.Errorf("%s saw %s at %d in room %s, history has %q there", name, e.id, e.seq, room, id))
		}
	}
	if !s.started {
		return n, len(s.gaps), append(bad, fmt.Errorf("%s never joined room %s", name, room))
	}
	for _, m := range h {
		if m.Seq <= s.start || got[m.Seq] {
			continue
		}
		told := false
		for _, g := range s.gaps {
			told = told || m.Seq > g[0] && m.Seq <= g[1]
		}
		if !told {
			bad = append(bad, fmt.Errorf("%s never got %d of room %s, and no gap says so", name, m.Seq, room))
		}
	}
	return n, len(s.gaps), bad
}
