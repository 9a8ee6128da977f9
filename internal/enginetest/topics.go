package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Deployment is Name, and when the test ends the topics that a deployment of that name has made on the Kafka at an address are deleted.
func Deployment(t testing.TB, kafka string) string {
	t.Helper()
	name := Name(t)
	t.Cleanup(func() { ForgetTopics(t, kafka, name) })
	return name
}

// ForgetTopics deletes the topics of a deployment, those of all its generations, from the Kafka at an address such as
// "kafka://127.0.0.1:23456". What cannot be deleted is only logged: a broker that is gone has taken its topics along.
func ForgetTopics(t testing.TB, kafka, name string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(strings.TrimPrefix(kafka, "kafka://"), ",")...), kgo.RetryTimeout(5*time.Second))
	if err != nil {
		t.Logf("forget the topics of %s: %v", name, err)
		return
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopics(ctx)
	var ours []string
	for _, topic := range topics.Names() {
		if strings.HasPrefix(topic, name+"-g") {
			ours = append(ours, topic)
		}
	}
	if err == nil && len(ours) > 0 {
		_, err = adm.DeleteTopics(ctx, ours...)
	}
	if err != nil {
		t.Logf("forget the topics of %s: %v", name, err)
	}
}

// knowsBrokers waits until a broker has heard of so many, itself among them.
func knowsBrokers(ctx context.Context, kafka string, n int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(kafka, "kafka://")))
	if err != nil {
		return fmt.Errorf("ask Kafka for its brokers: %w", err)
	}
	defer cl.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		meta, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, cl.SeedBrokers()[0])
		if err == nil && len(meta.Brokers) >= n {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("Kafka at %s does not know of %d brokers: %w", kafka, n, errors.Join(context.Cause(ctx), err))
		}
	}
}
