package enginetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
)

// Kafka is the broker of `make services`, "kafka://127.0.0.1:PORT", which all tests share.
func Kafka(t testing.TB) string {
	t.Helper()
	return shared(t, "KAFKA")
}

// Redis is the Redis of `make services`, "redis://127.0.0.1:PORT", which all tests share.
func Redis(t testing.TB) string {
	t.Helper()
	return shared(t, "REDIS")
}

// Mongo is the MongoDB-wire server that all tests share: HUBBUB_TEST_MONGO if it is set, which names a real mongod, else
// FerretDB of `make services`, "mongodb://127.0.0.1:PORT".
func Mongo(t testing.TB) string {
	t.Helper()
	if addr := os.Getenv("HUBBUB_TEST_MONGO"); addr != "" {
		return addr
	}
	return shared(t, "MONGO")
}

// Name is a deployment name that no other test has, now or later: "t" and 16 hexadecimal digits.
func Name(t testing.TB) string {
	t.Helper()
	return token()
}

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return "t" + hex.EncodeToString(b[:])
}

// NewRedis starts a Redis that belongs to the test, with further arguments such as "--requirepass", "secret".
func NewRedis(t testing.TB, args ...string) *Server {
	t.Helper()
	return private(t, func(ctx context.Context) (*Server, error) { return StartRedis(ctx, Options{Args: args}) })
}

// NewKafka starts a Kafka that belongs to the test; its properties replace ours (nil for none). After a Kill the controller
// admits the broker again only when the killed one's session is over: 4 s here, of 9 s by default.
func NewKafka(t testing.TB, properties map[string]string) *Server {
	t.Helper()
	return private(t, func(ctx context.Context) (*Server, error) {
		return StartKafka(ctx, Options{Properties: impatient(properties)})
	})
}

// NewKafkaPair starts a Kafka of two brokers that belongs to the test. The first is the controller too; the second may be killed and
// the other goes on, with what it has copies of.
func NewKafkaPair(t testing.TB, properties map[string]string) (first, second *Server) {
	t.Helper()
	all := impatient(map[string]string{"offsets.topic.replication.factor": "2", "transaction.state.log.replication.factor": "2"})
	maps.Copy(all, properties)
	first = private(t, func(ctx context.Context) (*Server, error) { return StartKafka(ctx, Options{Properties: all}) })
	second = private(t, func(ctx context.Context) (*Server, error) {
		return startKafka(ctx, Options{Properties: all}, 2, first.controller)
	})
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	for _, s := range []*Server{first, second} {
		if err := knowsBrokers(ctx, s.Addr(), 2); err != nil {
			t.Fatal(err)
		}
	}
	return first, second
}

// impatient are properties under which a controller soon gives up a broker, with others laid over.
func impatient(properties map[string]string) map[string]string {
	all := map[string]string{"broker.session.timeout.ms": "4000", "broker.heartbeat.interval.ms": "500"}
	maps.Copy(all, properties)
	return all
}

// NewMongo starts a FerretDB that belongs to the test. Its data is in PostgreSQL of `make services` if that runs, else in one
// of its own.
func NewMongo(t testing.TB) *Server {
	t.Helper()
	pg := service("POSTGRES")
	if pg != "" && Answers(t.Context(), pg) != nil {
		pg = ""
	}
	return private(t, func(ctx context.Context) (*Server, error) {
		return StartMongo(ctx, Options{Postgres: strings.TrimPrefix(pg, "postgres://")})
	})
}

func private(t testing.TB, start func(context.Context) (*Server, error)) *Server {
	t.Helper()
	embedded(t)
	s, err := start(t.Context())
	if errors.Is(err, ErrMissing) {
		absent(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.failed = func(err error) {
		t.Helper()
		t.Error(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

func shared(t testing.TB, name string) string {
	t.Helper()
	embedded(t)
	addr := service(name)
	if addr == "" {
		absent(t, "the engines do not run: make services")
	}
	if err := Answers(t.Context(), addr); err != nil {
		absent(t, "the engine at "+addr+" does not answer ("+err.Error()+"): make services")
	}
	return addr
}

// embedded skips in `make test-embedded`, whatever runs.
func embedded(t testing.TB) {
	t.Helper()
	if os.Getenv("HUBBUB_TEST_ENGINES") == "none" {
		t.Skip("without engines: HUBBUB_TEST_ENGINES=none")
	}
}

func absent(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("HUBBUB_REQUIRE_ALL") != "" {
		t.Fatal(why + " (and HUBBUB_REQUIRE_ALL is set)")
	}
	t.Skip(why)
}
