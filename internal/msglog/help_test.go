package msglog_test

import (
	"bytes"
	"flag"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// TestMain lets more tests run at once than there are processors: those that may, wait for brokers nearly all of their time.
func TestMain(m *testing.M) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue {
		_ = p.Value.Set(strconv.Itoa(max(4, runtime.GOMAXPROCS(0)))) // a number, which it takes
	}
	os.Exit(m.Run())
}

// logLines is a logger's output. Safe for concurrent use.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logLines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
