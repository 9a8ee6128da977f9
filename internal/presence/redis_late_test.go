package presence_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/presence"
)

// TestRedisLateRemovalIsNoLoss: Redis takes an entry away, and says so too late. That it is not there is then what this node wanted, and no
// loss for which everybody on this node would have to leave and come back.
func TestRedisLateRemovalIsNoLoss(t *testing.T) {
	t.Parallel()
	server := enginetest.NewRedis(t)
	c := dial(t, server.Addr())
	a, err := presence.NewRedis(presence.RedisOptions{Client: c, Name: "hubbub", Node: "a", Partitions: 16, Lifetime: time.Minute})
	must(t, err)
	beat(t, a)
	putOne(t, a, "stays")
	putOne(t, a, "goes")
	must(t, server.Pause())
	if err := a.Put(t.Context(), chat.Here{Room: "goes"}); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("a removal that is not answered: %v", err)
	}
	must(t, server.Continue())
	eventually(t, "it is gone all the same", func() bool {
		n, err := c.Do(t.Context(), c.B().Exists().Key(keysOf(t, c, "hubbub", "here:goes")...).Build()).AsInt64()
		return err == nil && n == 0
	})
	for range 3 {
		if _, forgotten := beat(t, a); forgotten {
			t.Fatal("all is taken for lost")
		}
	}
	if got := union(t, a, "stays", "goes"); got != "stays@a" {
		t.Errorf("union %q", got)
	}
}
