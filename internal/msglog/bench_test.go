package msglog_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// appenders runs b.N appends from n goroutines, each waiting for its answer before the next.
func appenders(b *testing.B, n int, one func(done func(error))) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for range n {
		wg.Go(func() {
			answer := make(chan error, 1)
			done := func(err error) { answer <- err }
			for left.Add(-1) >= 0 {
				one(done)
				if err := <-answer; err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkAppend is durable appends on the real disk under the test's temporary directory.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("appenders=", n), func(b *testing.B) {
			d, err := msglog.Open(msglog.Options{Dir: b.TempDir(), ReserveBytes: -1})
			if err != nil {
				b.Fatal(err)
			}
			r := chat.Record{Kind: chat.KindMessage, Room: "room", ID: "0123456789abcdefghijkl", User: "user", Body: make([]byte, 300)}
			appenders(b, n, func(done func(error)) { d.Append(r, func(_ chat.Seq, err error) { done(err) }) })
			s := d.Stats()
			b.ReportMetric(float64(s.Appended)/float64(s.Syncs), "appends/sync")
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkSegment is the same without records: the floor under BenchmarkAppend.
func BenchmarkSegment(b *testing.B) {
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("appenders=", n), func(b *testing.B) {
			dir, err := segment.OpenDir(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			log, err := segment.Open(segment.Options{FS: dir, Log: segment.ID{1}, Generation: 1})
			if err != nil {
				b.Fatal(err)
			}
			body := make([]byte, 350)
			appenders(b, n, func(done func(error)) { log.Append(body, func(_, _ int64, err error) { done(err) }) })
			if err := log.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
