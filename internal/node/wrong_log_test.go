package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// Kafka comes back from a copy that is older than the store: the topic is the same by its id, but ends before what the store has. A node
// that runs says so and takes no sends, which would get numbers that others have had; one that starts is refused.
func TestALogThatIsShorterThanTheStore(t *testing.T) {
	t.Parallel()
	server, name := enginetest.NewKafka(t, nil), enginetest.Name(t)
	n := &running{t: t, data: t.TempDir(), args: with(engineArgs(t, name), "--log", func(string) string { return server.Addr() + "/" + name + "?partitions=4" })}
	n.up()
	t.Cleanup(func() { n.stop() })
	ann := n.lobby(t, "", "early")
	n.saves(t)
	// The copy is as of a loss of power: what Kafka finds torn in it, it cuts off by itself.
	data, copied := filepath.Join(server.Dir(), "data"), filepath.Join(t.TempDir(), "copy")
	until(t, "a copy is made", func() bool { // a file may go while it is copied
		return errors.Join(os.RemoveAll(copied), os.CopyFS(copied, os.DirFS(data))) == nil
	})
	for range 20 {
		ann.send("lobby", "late")
	}
	n.saves(t)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(data), os.CopyFS(data, os.DirFS(copied)), server.Restart()); err != nil {
		t.Fatal(err)
	}
	until(t, "the running node says what is lost", func() bool {
		h := n.health(t)
		return h.Log == "down" && strings.Contains(h.Reason, "records are lost")
	})
	ann = n.connect(map[string]any{"token": ann.token}) // rooms that can not go on are closed with their sockets
	if _, err := ann.ask("message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": "over another"}); !refusedWith(err, chat.CodeUnavailable) {
		t.Errorf("a send into a log that went back: %v", err)
	}
	n.stop()
	refuses(t, n.args, "records are lost", "ends at")
}

// Somebody adds partitions to the topic: rooms would change their places.
func TestPartitionsAddedToTheTopic(t *testing.T) {
	t.Parallel()
	n := nodes(t, 1)[0]
	ann := n.lobby(t, "", "before")
	n.saves(t)
	if res, err := admin(t).CreatePartitions(t.Context(), 4, logName(n.args)+"-g1"); err != nil || res.Error() != nil {
		t.Fatal(err, res.Error())
	}
	until(t, "the running node says so", func() bool {
		h := n.health(t)
		return h.Log == "down" && strings.Contains(h.Reason, "had 4 partitions") && strings.Contains(h.Reason, "hubbub log next")
	})
	if _, err := ann.ask("message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": "astray"}); !refusedWith(err, chat.CodeUnavailable) {
		t.Errorf("a send: %v", err)
	}
	n.stop()
	refuses(t, n.args, "has 8 partitions", "partitions=4", "hubbub log next")
	refuses(t, with(n.args, "--log", func(s string) string { s, _, _ = strings.Cut(s, "?"); return s }), "had 4 partitions", "has 8 now")
}
