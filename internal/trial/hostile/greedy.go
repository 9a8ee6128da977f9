package hostile

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	limit    = 100 // events a second of a socket: --events-per-socket
	textSize = 16 << 10
)

// greedy takes more than its share: one sends at 100 times its limit, one sends texts of the greatest length as fast as it may, and
// some ask for page after page and do not read the answers. Who is closed comes back after a second, as a client does.
func greedy(ctx context.Context, s *stage) error {
	pagers := s.many(4)
	s.expect(2 + pagers)
	lister, _, err := enter(ctx, s.Addr, false, map[string]any{"name": "lister"})
	if err != nil {
		return err
	}
	rooms, err := s.rooms(ctx, lister)
	lister.Close()
	if err != nil {
		return err
	}
	var all, begun sync.WaitGroup
	again := func(kind, room string, small bool, act func(w *wire, room string)) {
		begun.Add(1)
		first := sync.OnceFunc(begun.Done)
		all.Go(func() {
			defer first()
			auth := map[string]any{"name": kind}
			for !s.stopped() {
				w, token, err := enter(ctx, s.Addr, small, auth)
				if err != nil {
					s.count(kind+" refused", 1)
					s.rest(time.Second)
					continue
				}
				auth = map[string]any{"token": token}
				if _, err = w.patient(ctx, "room:join", map[string]any{"roomId": room, "clientId": newID(), "limit": 1}); err == nil {
					first()
					act(w, room)
				}
				w.Close()
				if s.rest(time.Second) {
					s.count(kind+" closed by the server", 1)
				}
			}
		})
	}
	again("sender", rooms[0], false, s.spam)
	again("long texts", rooms[min(1, len(rooms)-1)], false, s.longTexts)
	for range pagers {
		again("pages", rooms[min(1, len(rooms)-1)], true, s.pages)
	}
	begun.Wait()
	s.ready()
	all.Wait()
	return nil
}

// spam sends at 100 times the limit until the server closes.
func (s *stage) spam(w *wire, room string) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			packet, err := w.hear()
			switch {
			case err != nil:
				return
			case !strings.HasPrefix(packet, "43"):
			case strings.Contains(packet, `"ok":true`):
				s.count("sends taken", 1)
			case strings.Contains(packet, `"rate_limited"`):
				s.count("sends rate_limited", 1)
			default:
				s.count("sends refused otherwise", 1)
			}
		}
	}()
	defer func() { w.Close(); <-gone }()
	const step = 20 * time.Millisecond
	for id := 1; s.rest(step); {
		var out bytes.Buffer
		for range 100 * limit / int(time.Second/step) {
			id++
			_ = ws.WriteFrame(&out, ws.MaskFrameInPlace(ws.NewTextFrame(fmt.Appendf(nil, `42%d["message:send",{"roomId":%q,"clientId":%q,"text":"spam"}]`, id, room, newID())))) // a buffer takes all
		}
		w.SetWriteDeadline(time.Now().Add(within))
		if _, err := w.Write(out.Bytes()); err != nil {
			return
		}
		s.count("sends tried", 100*limit/int(time.Second/step))
		select {
		case <-gone:
			return
		default:
		}
	}
}

// longTexts sends the longest texts, each when the one before it was answered.
func (s *stage) longTexts(w *wire, room string) {
	text := strings.Repeat("x", textSize)
	for id := 2; !s.stopped(); id++ {
		_, err := w.ask(id, "message:send", map[string]any{"roomId": room, "clientId": newID(), "text": text}, nothing)
		switch {
		case err == nil:
			s.count("long texts taken", 1)
		case strings.Contains(err.Error(), "rate_limited"):
			s.count("long texts rate_limited", 1)
			s.rest(10 * time.Millisecond)
		default:
			return
		}
	}
}

// pages asks for pages and reads nothing, until the server closes or takes no more.
func (s *stage) pages(w *wire, room string) {
	for id := 2; s.rest(5 * time.Millisecond); id++ {
		w.SetWriteDeadline(time.Now().Add(within))
		if w.say(fmt.Sprintf(`42%d["message:list",{"roomId":%q,"limit":100}]`, id, room)) != nil {
			return
		}
		s.count("pages asked for", 1)
	}
}
