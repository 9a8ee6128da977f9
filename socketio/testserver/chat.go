package main

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/socketio"
)

// recentMessages is how many messages of a room are kept.
const recentMessages = 100

// chatApp is a chat on the library's own rooms, in memory alone: what the library costs without the product. It speaks the product's
// events, for `hubbub bench`, and is the twin of bench/node. Nothing is durable, and a seq is a counter.
type chatApp struct {
	ns *socketio.Namespace

	mu    sync.Mutex
	rooms map[string]*chatRoom
	last  int64 // seq
}

type chatRoom struct {
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	Seq    int64             `json:"seq"`
	recent []json.RawMessage // the newest messages
}

// chatUser is a guest.
type chatUser struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Guest bool   `json:"guest"`
}

// chatRequest is what any of the events may bring.
type chatRequest struct {
	RoomID   string `json:"roomId"`
	ClientID string `json:"clientId"`
	Name     string `json:"name"`
	Text     string `json:"text"`
}

type object = map[string]any

func serveChat(ns *socketio.Namespace) {
	a := &chatApp{ns: ns, rooms: map[string]*chatRoom{}}
	ns.OnConnection(a.greet)
	for name, f := range map[string]func(*socketio.Socket, chatRequest) (any, string){
		"room:create": a.create, "room:join": a.join, "room:leave": a.leave, "message:send": a.send, "message:list": a.list,
	} {
		ns.On(name, func(e *socketio.Event) {
			var in chatRequest
			if args := e.Args; len(args) != 1 || json.Unmarshal(args[0], &in) != nil {
				answer(e, nil, "invalid")
				return
			}
			data, code := f(e.Socket, in)
			answer(e, data, code)
		})
	}
}

func answer(e *socketio.Event, data any, code string) {
	out := object{"ok": true, "data": data}
	if code != "" {
		out = object{"ok": false, "error": object{"code": code, "message": code}}
	}
	_ = e.Ack(out) // nobody waits, or is gone
}

func (a *chatApp) greet(s *socketio.Socket) {
	var auth struct{ Name string }
	_ = json.Unmarshal(s.Auth(), &auth) // without a name he has none
	u := chatUser{ID: "guest-" + s.ID(), Name: auth.Name, Guest: true}
	s.SetData(u)
	_ = s.Emit("session", object{"user": u, "log": "memory", "serverTime": time.Now().UnixMilli(), "rooms": []any{}})
	s.Forget()
}

func (a *chatApp) create(s *socketio.Socket, in chatRequest) (any, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	r := &chatRoom{ID: fmt.Sprintf("room-%d", a.last), Name: in.Name, Seq: a.last}
	a.rooms[r.ID] = r
	s.Join(r.ID)
	return object{"room": r, "asOf": a.last}, ""
}

func (a *chatApp) room(id string) *chatRoom {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rooms[id]
}

func (a *chatApp) join(s *socketio.Socket, in chatRequest) (any, string) {
	r := a.room(in.RoomID)
	if r == nil {
		return nil, "not_found"
	}
	s.Join(r.ID)
	return object{"room": r, "members": []any{}, "messages": []any{}, "hasMore": false, "asOf": r.Seq}, ""
}

func (a *chatApp) leave(s *socketio.Socket, in chatRequest) (any, string) {
	s.Leave(in.RoomID)
	return object{}, ""
}

func (a *chatApp) send(s *socketio.Socket, in chatRequest) (any, string) {
	user, _ := s.Data().(chatUser)
	r := a.room(in.RoomID)
	switch {
	case r == nil:
		return nil, "not_found"
	case in.Text == "":
		return nil, "invalid"
	}
	// Number and broadcast go together, so that the order is one for all.
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	m := struct {
		Seq      int64    `json:"seq"`
		ID       string   `json:"id"`
		RoomID   string   `json:"roomId"`
		ClientID string   `json:"clientId"`
		User     chatUser `json:"user"`
		Text     string   `json:"text"`
		At       int64    `json:"at"`
	}{a.last, fmt.Sprintf("m-%d", a.last), r.ID, in.ClientID, user, in.Text, time.Now().UnixMilli()}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, "internal"
	}
	if r.recent = append(r.recent, body); len(r.recent) > recentMessages {
		r.recent = r.recent[1:]
	}
	if a.ns.To(r.ID).Emit("message:new", json.RawMessage(body)) != nil {
		return nil, "internal"
	}
	return object{"id": m.ID, "seq": m.Seq, "at": m.At}, ""
}

func (a *chatApp) list(_ *socketio.Socket, in chatRequest) (any, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.rooms[in.RoomID]
	if r == nil {
		return nil, "not_found"
	}
	return object{"messages": append([]json.RawMessage{}, r.recent...), "hasMore": false, "asOf": a.last}, ""
}
