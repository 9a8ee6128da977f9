package node_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// What operations.md says of recovery, in its order: another count of partitions, Kafka lost for good, MongoDB lost without a backup.
func TestTheWaysOfRecovery(t *testing.T) {
	t.Parallel()
	name := enginetest.Name(t)
	args := engineArgs(t, name)
	n := &running{t: t, data: t.TempDir(), args: args}
	n.up()
	ann := n.lobby(t, "", "first")
	n.saves(t)
	n.stop()

	args = with(args, "--log", func(s string) string { return strings.Replace(s, "partitions=4", "partitions=8", 1) })
	refuses(t, args, "partitions=8", "hubbub log next")
	if out, err := nextLog(t, n.data, args, "", false); err != nil || !strings.Contains(out, "8 partitions") {
		t.Fatalf("another count: %q, %v", out, err)
	}
	n.args = args
	n.up()
	n.lobby(t, ann.token, "second")
	n.saves(t)
	n.stop()

	enginetest.ForgetTopics(t, enginetest.Kafka(t), name)
	until(t, "the topics are gone", func() bool { return len(topicsOf(t, name)) == 0 })
	refuses(t, args, "the store belongs to the log", "there is no topic "+name+"-g1", "hubbub log next")
	if report, grave, _ := examine(t, append(args, "--listen", nobody(t))...); grave != 1 || !strings.Contains(report, "there is no topic "+name+"-g1: no node starts so") {
		t.Errorf("doctor sees %d faults of a log that is gone:\n%s", grave, report)
	}
	if left := topicsOf(t, name); len(left) > 0 {
		t.Errorf("a refused start has made %v", left)
	}
	if _, err := nextLog(t, n.data, args, "", false); err == nil || !strings.Contains(err.Error(), "--accept-loss") {
		t.Errorf("a log that is gone is taken for finished: %v", err)
	}
	if out, err := nextLog(t, n.data, args, "", true); err != nil || !strings.Contains(out, "generation 3") {
		t.Fatalf("a log that is gone: %q, %v", out, err)
	}
	n.up()
	ann = n.lobby(t, ann.token, "third")
	if got := strings.Join(texts(ann.must("message:list", map[string]any{"roomId": "lobby"})), " "); got != "first second third" {
		t.Errorf("history behind the loss of Kafka: %q", got)
	}
	n.saves(t)
	n.stop()

	n.args = with(args, "--store", func(s string) string { return otherDatabase(t, s) })
	n.up()
	t.Cleanup(func() { n.stop() })
	ann = n.lobby(t, ann.token, "fourth")
	if got := strings.Join(texts(ann.must("message:list", map[string]any{"roomId": "lobby"})), " "); got != "third fourth" {
		t.Errorf("what an empty store has of the log: %q", got)
	}
}

// otherDatabase gives the address of an empty database in the same place.
func otherDatabase(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path += "x"
	return u.String()
}
