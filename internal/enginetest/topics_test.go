package enginetest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// The topics of all generations go when the test of a deployment ends, and nobody else's.
func TestADeploymentsTopicsGoWithItsTest(t *testing.T) {
	kafka := enginetest.Kafka(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(kafka, "kafka://")))
	must(t, err)
	defer cl.Close()
	adm := kadm.NewClient(cl)
	var name string
	t.Run("deployment", func(t *testing.T) {
		name = enginetest.Deployment(t, kafka)
		_, err := adm.CreateTopics(t.Context(), 1, 1, nil, name+"-g1", name+"-g2", name+"x-g1")
		must(t, err)
	})
	defer enginetest.ForgetTopics(t, kafka, name+"x")
	for end := time.Now().Add(time.Minute); ; {
		topics, err := adm.ListTopics(t.Context())
		must(t, err)
		all := topics.Names()
		switch {
		case !slices.Contains(all, name+"x-g1"):
			t.Fatal("another deployment's topic is gone")
		case !slices.Contains(all, name+"-g1") && !slices.Contains(all, name+"-g2"):
			return
		case time.Now().After(end):
			t.Fatalf("still there: %v", all)
		}
	}
}
