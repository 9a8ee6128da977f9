package enginetest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

func TestTheSharedEnginesAnswerUnderANameOfTheTest(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, addr := range []string{enginetest.Redis(t), enginetest.Kafka(t), enginetest.Mongo(t)} {
		must(t, enginetest.Answers(ctx, addr))
	}
	a, b := enginetest.Name(t), enginetest.Name(t)
	if a == b || len(a) != 17 || a[0] != 't' {
		t.Errorf("names: %q, %q", a, b)
	}
}

// recorder is a test that is skipped or failed without ours being so.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return context.Background() }
func (r *recorder) Skip(args ...any)         { r.skipped = fmt.Sprint(args...); runtime.Goexit() }
func (r *recorder) Fatal(args ...any)        { r.failed = fmt.Sprint(args...); runtime.Goexit() }

func record(f func(testing.TB)) *recorder {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r
}

// checkout makes a folder that looks like a checkout without engines, and moves into it.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module github.com/hubbub-chat/hubbub\n"), 0o644))
	inside := filepath.Join(dir, "internal", "bus")
	must(t, os.MkdirAll(inside, 0o755))
	t.Chdir(inside)
	return dir
}

func TestAMissingEngineSkipsATestAndFailsItWhereAllAreRequired(t *testing.T) {
	dir := checkout(t)
	t.Setenv("HUBBUB_TEST_ENGINES", "")
	t.Setenv("HUBBUB_TEST_MONGO", "")
	services := filepath.Join(dir, ".cache", "services")
	for _, c := range []struct {
		name string
		env  string // what make services wrote
		ask  func(testing.TB)
		why  string
	}{
		{"no services", "", func(t testing.TB) { enginetest.Redis(t) }, "do not run: make services"},
		{"a service that is gone", "HUBBUB_SERVICES_KAFKA=kafka://127.0.0.1:1\n", func(t testing.TB) { enginetest.Kafka(t) }, "does not answer"},
		{"another service only", "HUBBUB_SERVICES_KAFKA=kafka://127.0.0.1:1\n", func(t testing.TB) { enginetest.Mongo(t) }, "do not run: make services"},
		{"no jars", "", func(t testing.TB) { enginetest.NewKafka(t, nil) }, "Kafka is not installed"},
		{"no ferretdb", "", func(t testing.TB) { enginetest.NewMongo(t) }, "FerretDB is not installed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			must(t, os.MkdirAll(services, 0o755))
			must(t, os.WriteFile(filepath.Join(services, "env"), []byte(c.env), 0o644))
			t.Setenv("HUBBUB_REQUIRE_ALL", "")
			if r := record(c.ask); !strings.Contains(r.skipped, c.why) || r.failed != "" {
				t.Errorf("skipped %q, failed %q", r.skipped, r.failed)
			}
			t.Setenv("HUBBUB_REQUIRE_ALL", "1")
			if r := record(c.ask); !strings.Contains(r.failed, c.why) || r.skipped != "" {
				t.Errorf("where all are required: skipped %q, failed %q", r.skipped, r.failed)
			}
			t.Setenv("HUBBUB_TEST_ENGINES", "none")
			if r := record(c.ask); r.skipped == "" || r.failed != "" {
				t.Errorf("without engines: skipped %q, failed %q", r.skipped, r.failed)
			}
		})
	}
}

func TestARealMongodWins(t *testing.T) {
	checkout(t)
	t.Setenv("HUBBUB_TEST_MONGO", "mongodb://db.example:27017")
	if got := enginetest.Mongo(t); got != "mongodb://db.example:27017" {
		t.Errorf("got %s", got)
	}
}
