package msglog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// A batch whose bytes are not what was written: what lies before it is read, nothing behind it is, and it is said, once, where and why.
// When it reads well again, so do the readers.
func TestKafkaSaysWhatCanNotBeRead(t *testing.T) {
	t.Parallel()
	_, addr := fakes(t)
	c := newCable(t)
	var lines logLines
	k := kafkaAt(t, addr, "spoilt", onePartition, c.through, watchful(&lines))
	for i := range 3 { // each in a batch of its own
		r := message(i, 10)
		if i == 1 {
			r.Body = []byte(`{"text":"spoil me"}`)
		}
		if a := appendThem(t, k, []chat.Record{r})[0]; a.err != nil {
			t.Fatal(a.err)
		}
	}
	c.spoil([]byte("spoil me"))
	f := newFollower(newLedger())
	join(t, k, "spoilt-relay", f)
	f.until(t, "what lies before it is read", func() bool { return f.ledger.count() > 0 })
	within(t, kafkaPatience, "it is said", func() bool { return strings.Contains(lines.String(), "a partition can not be read") })
	var tailed []chat.MessageID
	err := k.Tail(t.Context(), 0, chat.Mark{}, func(rs []chat.Record, _ chat.Mark, _ bool) error {
		for _, r := range rs {
			tailed = append(tailed, r.ID)
		}
		return nil
	})
	if !errors.Is(err, chat.ErrUnavailable) || !strings.Contains(err.Error(), "crc") || len(tailed) != 1 || tailed[0] != "id0" {
		t.Errorf("a Tail read %v and ended with %v", tailed, err)
	}
	if n := f.ledger.count(); n != 1 {
		t.Errorf("a member has read %d records", n)
	}
	c.spoil(nil)
	f.until(t, "all is read", func() bool { return f.ledger.count() == 3 })
	within(t, kafkaPatience, "that is said too", func() bool { return strings.Contains(lines.String(), "the partition is read again") })
	if n := strings.Count(lines.String(), "a partition can not be read"); n != 1 || !strings.Contains(lines.String(), "crc") {
		t.Errorf("it was said %d times: %s", n, lines.String())
	}
}
