package gateway

import (
	"log/slog"
	"maps"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/chat/chattest"
)

// Who is here is told as far as it is known. Of whom it is not known nothing is said, so that nobody takes him for away.
func TestMembersHereAwayOrNotKnown(t *testing.T) {
	w := chattest.New(Encoder{})
	ports := w.Ports()
	ports.Here = func(room chat.RoomID, u chat.UserID) (here, known bool) {
		return room == chat.LobbyID && u == "ann", u != "cat"
	}
	s := chat.NewService(ports, chat.Limits{}, chat.DefaultTimes(), slog.New(slog.DiscardHandler))
	r := newRigOn(t, w, func(cfg *Config) { cfg.Service = s })
	if err := s.EnsureLobby(t.Context()); err != nil {
		t.Fatal(err)
	}
	ann := r.joined("ann")
	r.joined("bob")
	joined := r.in("cat").must("room:join", `{"roomId":"lobby"}`)
	want := map[string]any{"ann": true, "bob": false, "cat": nil}
	for _, a := range []ack{ann.must("room:members", `{"roomId":"lobby"}`), joined, ann.must("room:open", `{"roomId":"lobby"}`)} {
		got := map[string]any{}
		for _, m := range a.Data["members"].([]any) {
			m := m.(map[string]any)
			if v, there := m["here"]; there && v == nil {
				t.Errorf("null says nothing that absence does not: %s", a.raw)
			}
			got[m["id"].(string)] = m["here"]
		}
		if !maps.Equal(got, want) {
			t.Errorf("here: %v, want %v in %s", got, want, a.raw)
		}
	}
}
