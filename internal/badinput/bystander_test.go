package badinput_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// bystander talks and listens in a room while others misbehave there.
type bystander struct {
	*client.Client
	name  string
	token string
	id    string

	mu    sync.Mutex
	heard []heard
	gaps  int
	asOf  int64
	told  chan struct{}     // closed by session
	acked map[string]string // clientId, text
	stop  context.CancelFunc
	done  chan struct{}
	wrong []string
}

// heard is a message as it came.
type heard struct {
	Seq      int64
	ClientID string
	Text     loose
	RoomID   string
}

// loose is a text, or whatever stands in its place.
type loose string

// UnmarshalJSON takes what is no string as it is.
func (l *loose) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	*l = loose(s)
	return nil
}

// jsonText is JSON that is ready.
func jsonText(s string) json.RawMessage { return json.RawMessage(s) }

// attend connects somebody who is to behave well; by is his way to the server.
func (w *world) attend(t *testing.T, name string, by client.Transport) *bystander {
	t.Helper()
	b := &bystander{name: name, told: make(chan struct{}), acked: map[string]string{}, done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.DialBy(ctx, by, w.addr, map[string]any{"name": name}, b.hear)
	if err != nil {
		t.Fatalf("%s does not get in: %v", name, err)
	}
	b.Client = c
	t.Cleanup(c.Close)
	select {
	case <-b.told:
	case <-ctx.Done():
		t.Fatalf("%s: no session", name)
	}
	return b
}

func (b *bystander) hear(name string, data json.RawMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch name {
	case "session":
		var s struct {
			Token string
			User  struct{ ID string }
		}
		_ = json.Unmarshal(data, &s)
		b.token, b.id = s.Token, s.User.ID
		close(b.told)
	case "message:new":
		var m heard
		if err := json.Unmarshal(data, &m); err != nil {
			b.wrong = append(b.wrong, fmt.Sprintf("malformed message %.200q", data))
		}
		b.heard = append(b.heard, m)
	case "gap":
		b.gaps++
	}
}

// must asks and gives the answer's fields.
func (b *bystander) must(t *testing.T, name string, payload any) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	data, err := b.Call(ctx, name, payload)
	if err != nil {
		t.Fatalf("%s: %s: %v", b.name, name, err)
	}
	var m map[string]any
	_ = json.Unmarshal(data, &m)
	return m
}

// talk sends a message every few milliseconds, each after the ack of the one before, until rest.
func (b *bystander) talk(room string) {
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() {
		defer close(b.done)
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			id, text := newID(), fmt.Sprint(b.name, " ", i)
			wait, cancel := context.WithTimeout(context.Background(), patience)
			_, err := b.Call(wait, "message:send", map[string]any{"roomId": room, "clientId": id, "text": text})
			cancel()
			b.mu.Lock()
			if err != nil {
				b.wrong = append(b.wrong, fmt.Sprintf("message %d: %v", i, err))
			} else {
				b.acked[id] = text
			}
			b.mu.Unlock()
			if err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
}

func (b *bystander) rest() {
	b.stop()
	<-b.done
}

// ofRoom gives the messages of a room that were heard, in the order in which they came.
func (b *bystander) ofRoom(room string) []heard {
	b.mu.Lock()
	defer b.mu.Unlock()
	return messagesOf(room, b.heard)
}

// messagesOf leaves out of a list what is no message of the room: marks of what could not be kept, and what was put into an engine.
func messagesOf(room string, list []heard) []heard {
	return slices.DeleteFunc(slices.Clone(list), func(m heard) bool { return m.RoomID != room || m.ClientID == "" || m.ClientID == planted })
}

// undisturbed says whether he noticed anything.
func (b *bystander) undisturbed(t *testing.T) {
	t.Helper()
	select {
	case <-b.Done():
		t.Errorf("%s was disconnected", b.name)
	default:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.wrong {
		t.Errorf("%s: %s", b.name, w)
	}
	if b.gaps > 0 {
		t.Errorf("%s was told of %d gaps", b.name, b.gaps)
	}
}

// audit ends the talk and holds what everybody heard against history and against what was acknowledged: every bystander heard every
// message of the room once, in the order of history, and history holds each acknowledged message once.
func audit(t *testing.T, room string, all ...*bystander) {
	t.Helper()
	for _, b := range all {
		b.rest()
	}
	history := messagesOf(room, historyOf(t, all[0], room))
	count := map[string]int{}
	for _, m := range history {
		count[m.ClientID]++
	}
	acked := 0
	for _, b := range all {
		for id, text := range b.acked {
			acked++
			if count[id] != 1 {
				t.Errorf("%q was acknowledged and is %d times in history", text, count[id])
			}
		}
	}
	for _, b := range all {
		b.waitFor(history)
		got := b.ofRoom(room)
		for i, m := range history {
			if i >= len(got) || got[i] != m {
				t.Errorf("%s heard %d messages of %d; the first that is not as in history is %d, %+v", b.name, len(got), len(history), i, m)
				break
			}
		}
		b.undisturbed(t)
	}
	t.Logf("%d bystanders heard all %d messages of their room in order, %d of them their own and acknowledged", len(all), len(history), acked)
}

// waitFor gives what is still on its way some time.
func (b *bystander) waitFor(history []heard) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); len(history) > 0 && len(b.ofRoom(history[0].RoomID)) < len(history) && time.Now().Before(end); {
		<-tick.C
	}
}

// historyOf reads a room from its first message on.
func historyOf(t *testing.T, b *bystander, room string) (out []heard) {
	t.Helper()
	for after := int64(0); ; {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		data, err := b.Call(ctx, "message:list", map[string]any{"roomId": room, "after": after, "limit": 100})
		cancel()
		if err != nil {
			t.Fatalf("history: %v", err)
		}
		var page struct {
			Messages []heard
			HasMore  bool
			Gap      json.RawMessage
		}
		if err := json.Unmarshal(data, &page); err != nil || page.Gap != nil {
			t.Fatalf("history: %v, gap %s", err, page.Gap)
		}
		out = append(out, page.Messages...)
		if !page.HasMore || len(page.Messages) == 0 {
			return out
		}
		after = out[len(out)-1].Seq
	}
}
