package bus_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// BenchmarkRedis publishes batches of notes of 200 bytes on one node, and waits until another has heard each.
func BenchmarkRedis(b *testing.B) {
	addr := enginetest.Redis(b)
	for _, batch := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint("batch of ", batch), func(b *testing.B) {
			name := "?name=" + enginetest.Name(b)
			from, to := openRedis(b, addr, name), openRedis(b, addr, name)
			heard := make(chan struct{}, batch)
			ns := make([]chat.Note, batch)
			for i := range ns {
				to.Subscribe(room(i), func([]byte) { heard <- struct{}{} })
				ns[i] = chat.Note{Channel: room(i), Data: make([]byte, 200)}
			}
			eventually(b, "all is subscribed", func() bool {
				must(b, from.Publish(b.Context(), ns))
				for i := range ns {
					select {
					case <-heard:
					case <-time.After(100 * time.Millisecond):
						return i == batch
					}
				}
				return true
			})
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				must(b, from.Publish(b.Context(), ns))
				for range ns {
					<-heard
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/p50")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs/p99")
			b.ReportMetric(float64(batch*len(took))/b.Elapsed().Seconds(), "notes/s")
		})
	}
}
