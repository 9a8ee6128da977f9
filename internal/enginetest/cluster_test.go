package enginetest_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

func TestARedisClusterHoldsKeysOfEverySlotRunAndCarriesShardedMessages(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nodes := enginetest.NewRedisCluster(t)
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{hostport(nodes[0].Addr())}, DisableCache: true})
	must(t, err)
	t.Cleanup(c.Close)
	if got := len(c.Nodes()); got != len(nodes) {
		t.Fatalf("the client found %d nodes of %d", got, len(nodes))
	}
	used := map[string]bool{}
	for i := range 60 { // enough that each third of the slots gets some
		key := "key" + strconv.Itoa(i)
		must(t, c.Do(ctx, c.B().Set().Key(key).Value(key).Build()).Error())
		got, err := c.Do(ctx, c.B().Get().Key(key).Build()).ToString()
		must(t, err)
		if got != key {
			t.Fatalf("%s holds %q", key, got)
		}
	}
	for addr, node := range c.Nodes() {
		n, err := node.Do(ctx, node.B().Dbsize().Build()).AsInt64()
		must(t, err)
		if n > 0 {
			used[addr] = true
		}
	}
	if len(used) != len(nodes) {
		t.Fatalf("keys are on %v only", used)
	}
	carried(ctx, t, c)
}

// carried sends one message by SPUBLISH to one who has subscribed by SSUBSCRIBE.
func carried(ctx context.Context, t *testing.T, c rueidis.Client) {
	t.Helper()
	sub, release := c.Dedicate()
	defer release()
	got := make(chan string, 1)
	subscribed := make(chan struct{})
	sub.SetPubSubHooks(rueidis.PubSubHooks{
		OnMessage: func(m rueidis.PubSubMessage) { got <- m.Message },
		OnSubscription: func(s rueidis.PubSubSubscription) { // also told of its end
			if s.Kind == "ssubscribe" {
				close(subscribed)
			}
		},
	})
	must(t, sub.Do(ctx, sub.B().Ssubscribe().Channel("talk").Build()).Error())
	select {
	case <-subscribed:
	case <-ctx.Done():
		t.Fatal("the subscription was not confirmed")
	}
	must(t, c.Do(ctx, c.B().Spublish().Channel("talk").Message("hello").Build()).Error())
	select {
	case m := <-got:
		if m != "hello" {
			t.Fatalf("got %q", m)
		}
	case <-ctx.Done():
		t.Fatal("the message did not come")
	}
}
