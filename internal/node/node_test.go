package node_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func TestTwoPeopleTalkAndHistoryOutlivesARestart(t *testing.T) {
	n := start(t)
	ada, bob := n.guest("Ada"), n.guest("Bob")
	if !ada.user.Guest || ada.user.Name != "Ada" || ada.user.ID == bob.user.ID {
		t.Fatalf("%+v, %+v", ada.user, bob.user)
	}
	ada.must("room:join", map[string]any{"roomId": "lobby"})
	bob.must("room:join", map[string]any{"roomId": "lobby"})
	ada.await("room:joined", func(e event) bool { return e.User.ID == bob.user.ID })
	sent := ada.send("lobby", "hello")
	heard := bob.await("message:new", func(e event) bool { return e.Text == "hello" })
	if heard.ID != sent["id"] || heard.Seq == 0 || heard.User != ada.user {
		t.Errorf("sent %v, heard %s", sent, heard.raw)
	}
	ada.await("message:new", func(e event) bool { return e.Text == "hello" }) // the sender too
	for i := range 30 {
		bob.send("lobby", fmt.Sprint("m", i))
	}
	before := texts(ada.must("message:list", map[string]any{"roomId": "lobby", "limit": 50}))
	n.stop()
	n.up()
	again := n.connect(map[string]any{"token": ada.token})
	if again.user != ada.user {
		t.Errorf("came back as %+v", again.user)
	}
	if !strings.Contains(string(again.session), `"lobby"`) {
		t.Errorf("session does not name the lobby: %s", again.session)
	}
	after := texts(again.must("message:list", map[string]any{"roomId": "lobby", "limit": 50}))
	if len(after) != 31 || !slices.Equal(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
}

func TestResumeBringsWhatWasMissed(t *testing.T) {
	n := start(t)
	ada, bob := n.guest("Ada"), n.guest("Bob")
	room := ada.create("room", false)
	asOf := bob.must("room:join", map[string]any{"roomId": room})["asOf"]
	bob.Close()
	for i := range 20 {
		ada.send(room, fmt.Sprint("m", i))
	}
	for _, log := range []string{ada.log, ""} {
		back := n.connect(map[string]any{"token": bob.token, "since": map[string]any{room: asOf}, "log": log})
		back.await("message:new", func(e event) bool { return e.Text == "m19" })
		got := back.of(room, "message:new")
		if len(got) != 20 || got[0].Text != "m0" || len(back.of(room, "gap")) != 0 {
			t.Errorf("resumed with %d messages, gaps %v", len(got), back.of(room, "gap"))
		}
	}
	other := n.connect(map[string]any{"token": bob.token, "since": map[string]any{room: asOf}, "log": "another"})
	if g := other.await("gap", func(e event) bool { return e.RoomID == room }); g.Reason != "reset" {
		t.Errorf("with another log's name: %s", g.raw)
	}
}

func TestAfterALeaveNothingArrives(t *testing.T) {
	n := start(t)
	ada, bob := n.guest("Ada"), n.guest("Bob")
	room := ada.create("room", false)
	bob.must("room:join", map[string]any{"roomId": room})
	ada.send(room, "one")
	bob.await("message:new", func(e event) bool { return e.Text == "one" })
	bob.must("room:leave", map[string]any{"roomId": room})
	left := bob.await("room:left", func(e event) bool { return e.User.ID == bob.user.ID })
	ada.send(room, "two")
	ada.must("typing", map[string]any{"roomId": room, "isTyping": true})
	bob.must("room:join", map[string]any{"roomId": "lobby"}) // a round trip behind it
	if list := bob.of(room, ""); list[len(list)-1].Seq != left.Seq {
		t.Errorf("after the leave came %s", list[len(list)-1].raw)
	}
	if _, err := bob.ask("message:send", map[string]any{"roomId": room, "clientId": newID(), "text": "x"}); !refusedWith(err, chat.CodeForbidden) {
		t.Errorf("a send after the leave: %v", err)
	}
}

func TestFilesAreForTheOwnerAlone(t *testing.T) {
	n := start(t)
	n.guest("Ada").must("room:join", map[string]any{"roomId": "lobby"})
	info, err := os.Stat(n.data)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v, %v", info.Mode(), err)
	}
	files := 0
	err = filepath.Walk(n.data, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		files++
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || files < 4 {
		t.Errorf("%d files, %v", files, err)
	}
}

func TestListensOnLoopback(t *testing.T) {
	n := start(t)
	host, _, _ := net.SplitHostPort(n.addr)
	if ip := net.ParseIP(host); !ip.IsLoopback() {
		t.Errorf("listens on %s", n.addr)
	}
}
