package enginetest_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

func hostport(addr string) string {
	_, rest, _ := strings.Cut(addr, "://")
	return rest
}

// roundTrip writes and reads back through the engine's own client.
type roundTrip func(ctx context.Context, addr, value string) error

func redisTrip(ctx context.Context, addr, value string) error {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{hostport(addr)}, DisableCache: true})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Do(ctx, c.B().Set().Key("k").Value(value).Build()).Error(); err != nil {
		return err
	}
	got, err := c.Do(ctx, c.B().Get().Key("k").Build()).ToString()
	if err == nil && got != value {
		err = errors.New("read " + got)
	}
	return err
}

func kafkaTrip(ctx context.Context, addr, value string) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(hostport(addr)), kgo.DefaultProduceTopic("trip"), kgo.ConsumeTopics("trip"))
	if err != nil {
		return err
	}
	defer c.Close()
	adm := kadm.NewClient(c)
	if _, err := adm.CreateTopic(ctx, 1, 1, nil, "trip"); err != nil && !strings.Contains(err.Error(), "TOPIC_ALREADY_EXISTS") {
		return err
	}
	if err := c.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
		return err
	}
	for {
		f := c.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			return err
		}
		for _, r := range f.Records() {
			if string(r.Value) == value {
				return nil
			}
		}
	}
}

func mongoTrip(ctx context.Context, addr, value string) error {
	c, err := mongo.Connect(options.Client().ApplyURI(addr).SetServerSelectionTimeout(time.Minute))
	if err != nil {
		return err
	}
	defer c.Disconnect(context.WithoutCancel(ctx))
	all := c.Database("trip").Collection("values")
	if _, err := all.InsertOne(ctx, bson.D{{Key: "_id", Value: value}}); err != nil {
		return err
	}
	return all.FindOne(ctx, bson.D{{Key: "_id", Value: value}}).Err()
}

// kept says whether a value written before a crash is there after it.
type kept func(ctx context.Context, addr, value string) error

func kafkaKept(ctx context.Context, addr, value string) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(hostport(addr)), kgo.ConsumeTopics("trip"))
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		f := c.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			return err
		}
		for _, r := range f.Records() {
			if string(r.Value) == value {
				return nil
			}
		}
	}
}

func mongoKept(ctx context.Context, addr, value string) error {
	c, err := mongo.Connect(options.Client().ApplyURI(addr))
	if err != nil {
		return err
	}
	defer c.Disconnect(context.WithoutCancel(ctx))
	return c.Database("trip").Collection("values").FindOne(ctx, bson.D{{Key: "_id", Value: value}}).Err()
}

func TestAnEngineAnswersIsPausedKilledAndRestarted(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(testing.TB) *enginetest.Server
		trip  roundTrip
		kept  kept // nil: it keeps nothing
	}{
		{"redis", func(t testing.TB) *enginetest.Server { return enginetest.NewRedis(t) }, redisTrip, nil},
		{"kafka", func(t testing.TB) *enginetest.Server { return enginetest.NewKafka(t, nil) }, kafkaTrip, kafkaKept},
		{"mongo", enginetest.NewMongo, mongoTrip, mongoKept},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			var pids []int
			t.Run("lives", func(t *testing.T) {
				s := c.start(t)
				pids = s.Pids()
				addr := s.Addr()
				must(t, c.trip(ctx, addr, "one"))

				must(t, s.Pause())
				if err := enginetest.Answers(ctx, addr); err == nil {
					t.Fatal("it answers while it is paused")
				}
				must(t, s.Continue())
				must(t, c.trip(ctx, addr, "two"))

				must(t, s.Kill())
				if s.Pid() != 0 || enginetest.Answers(ctx, addr) == nil {
					t.Fatal("it is there after a kill")
				}
				must(t, s.Restart())
				pids = append(pids, s.Pids()...)
				if s.Addr() != addr {
					t.Fatalf("address %s became %s", addr, s.Addr())
				}
				if c.kept != nil {
					must(t, c.kept(ctx, addr, "two"))
				}
				must(t, c.trip(ctx, addr, "three"))

				must(t, s.Pause()) // a paused one must end too
				dir := s.Dir()
				t.Cleanup(func() {
					must(t, s.Stop())
					if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
						t.Errorf("%s is left: %v", dir, err)
					}
				})
			})
			if len(pids) < 2 {
				t.Fatalf("processes: %v", pids)
			}
			for _, pid := range pids {
				if enginetest.Birth(pid) != "" {
					t.Errorf("process %d is left running", pid)
				}
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
