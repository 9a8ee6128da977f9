package msglog_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// A broker that does not heed yet what it says of the topic's limit, as just after a start has raised it: a record that fits is no record
// too large. One that goes on to be refused is, in a bounded time.
func TestKafkaLimitThatIsNotHeededYet(t *testing.T) {
	cluster, addr := fakes(t)
	k := kafkaAt(t, addr, "lag", onePartition)
	var refuses atomic.Bool
	fail(cluster, kerr.MessageTooLarge, refuses.Load)
	refuses.Store(true)
	time.AfterFunc(300*time.Millisecond, func() { refuses.Store(false) })
	if a := appendThem(t, k, []chat.Record{message(0, 10_000)})[0]; a.err != nil {
		t.Errorf("a record that fits: %v", a.err)
	}
	refuses.Store(true)
	if a := appendThem(t, k, []chat.Record{message(1, 10_000)})[0]; !errors.As(a.err, new(*chat.Error)) || chat.AsError(a.err).Code != chat.CodeTooLarge {
		t.Errorf("one that is refused for ever: %v", a.err)
	}
	refuses.Store(false)
	if a := appendThem(t, k, []chat.Record{message(2, 10)})[0]; a.err != nil {
		t.Errorf("the next one: %v", a.err)
	}
}
