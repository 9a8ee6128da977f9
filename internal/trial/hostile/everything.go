package hostile

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// socketsEach is how many sockets of one user want everything.
const socketsEach = 5

// everything is two clients on five sockets each, all subscribed to every room, who read it all. (More rooms in so short a time
// --events-per-user would not let one user open.)
func everything(ctx context.Context, s *stage) error {
	clients := s.many(2)
	s.expect(clients * socketsEach)
	err := each(clients, clients, func(int) error {
		first, token, err := enter(ctx, s.Addr, false, map[string]any{"name": "everything"})
		if err != nil {
			return err
		}
		rooms, err := s.rooms(ctx, first)
		if err == nil {
			err = s.takeAll(ctx, first, "room:join", rooms) // and so all are members
		}
		if err != nil {
			first.Close()
			return err
		}
		go s.readAll(first)
		return each(socketsEach-1, socketsEach, func(int) error {
			w, _, err := enter(ctx, s.Addr, false, map[string]any{"token": token})
			if err != nil {
				return err
			}
			if err := s.takeAll(ctx, w, "room:open", rooms); err != nil {
				w.Close()
				return err
			}
			go s.readAll(w)
			return nil
		})
	})
	if err == nil {
		s.ready()
	}
	<-s.stop.Done()
	return err
}

// readAll reads until the end of the company.
func (s *stage) readAll(w *wire) {
	defer context.AfterFunc(s.stop, func() { w.Close() })()
	defer w.Close()
	for {
		packet, err := w.hear()
		switch {
		case s.stopped():
			return
		case err != nil:
			s.count("closed by the server", 1)
			return
		case strings.HasPrefix(packet, `42["message:new"`):
			s.count("messages read", 1)
		}
	}
}

// takeAll subscribes a socket to every room.
func (s *stage) takeAll(ctx context.Context, w *wire, name string, rooms []string) error {
	for _, room := range rooms {
		payload := map[string]any{"roomId": room, "limit": 1}
		if name == "room:join" {
			payload["clientId"] = newID()
		}
		if s.stopped() {
			return errors.New("stopped before it was subscribed to everything")
		}
		if _, err := w.patient(ctx, name, payload); err != nil {
			return fmt.Errorf("subscribe to everything: %w", err)
		}
		s.count("subscriptions", 1)
	}
	return nil
}
