package msglog_test

import (
	"testing"

	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/logtest"
)

// A deployment whose name begins with another's has groups that look like the other's. Its nodes are none of the other's: they do not stop
// its operator from beginning a generation.
func TestKafkaGroupsAreThoseOfThisLog(t *testing.T) {
	t.Parallel()
	_, addr := fakes(t)
	const name = "chat"
	k, neighbour := kafkaAt(t, addr, name), kafkaAt(t, addr, name+"-staging")
	for _, c := range []struct {
		log   *msglog.Kafka
		group string
	}{{neighbour, name + "-staging-relay"}, {k, name + "-relay"}} {
		f := newFollower(newLedger())
		join(t, c.log, c.group, f)
		f.until(t, c.group+" has all partitions", func() bool { return len(f.held) == logtest.Partitions })
	}
	within(t, kafkaPatience, "only the group that reads this log is given", func() bool {
		groups, err := k.Groups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(groups) == 1 && groups[0].Name == name+"-relay" && groups[0].Members == 1
	})
}
