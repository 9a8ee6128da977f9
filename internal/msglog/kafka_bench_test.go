package msglog_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// The benchmarks of Kafka do the same twice in one run, by the log and by a bare franz-go client with the same promises (all in-sync
// replicas, idempotent), on topics of the same settings: "x-raw" is how many times as long the log takes, of the medians or of the whole.

// benched opens a log of one partition, and a bare client that produces to partition 0 of its twin.
func benched(b *testing.B, more ...kgo.Opt) (*msglog.Kafka, *kgo.Client) {
	b.Helper()
	addr := enginetest.Kafka(b)
	twin := enginetest.Deployment(b, addr)
	kafkaAt(b, addr, twin, onePartition)
	raw, _ := tools(b, addr, append(more, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(twin+"-g1"), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{twin + "-g1": {0: kgo.NewOffset().AtStart()}}))...)
	return kafkaAt(b, addr, enginetest.Deployment(b, addr), onePartition), raw
}

func benchRecord() (chat.Record, *kgo.Record) {
	r := message(1, 300)
	return r, &kgo.Record{Key: []byte(r.Room), Value: chat.AppendRecord(nil, r)}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// compare times b.N turns of each, one of ours and one of the bare client by turns, so that both see the same machine.
func compare(b *testing.B, ours, raw func() error) {
	b.Helper()
	times := [2][]time.Duration{}
	for i := range 20 + b.N { // the first of all make connections
		if i == 20 {
			b.ResetTimer()
		}
		for who, turn := range []func() error{ours, raw} {
			start := time.Now()
			if err := turn(); err != nil {
				b.Fatal(err)
			}
			if i >= 20 {
				times[who] = append(times[who], time.Since(start))
			}
		}
	}
	b.StopTimer()
	a, r := median(times[0]), median(times[1])
	b.ReportMetric(float64(a.Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[0][len(times[0])*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(r.Microseconds())/1000, "raw-p50-ms")
	b.ReportMetric(float64(times[1][len(times[1])*99/100].Microseconds())/1000, "raw-p99-ms")
	b.ReportMetric(float64(a)/float64(r), "x-raw")
}

// BenchmarkKafkaAck is how long one append takes when nothing else is on its way.
func BenchmarkKafkaAck(b *testing.B) {
	k, raw := benched(b)
	ours, theirs := benchRecord()
	answer := make(chan error, 1)
	compare(b, func() error {
		k.Append(ours, func(_ chat.Seq, err error) { answer <- err })
		return <-answer
	}, func() error {
		r := *theirs
		return raw.ProduceSync(b.Context(), &r).FirstErr()
	})
}

// BenchmarkKafkaSeen is how long it takes from the append until a reader has it: a member of a group, as the relay is, and a Tail, which
// looks again after a moment rather than wait at the broker; against a poll of the bare client.
func BenchmarkKafkaSeen(b *testing.B) {
	seen := make(chan int, 1000)
	for how, reads := range map[string]func(ctx context.Context, k *msglog.Kafka){
		"Join": func(ctx context.Context, k *msglog.Kafka) {
			_ = k.Join(ctx, k.String()[len(k.String())-20:], glance{seen})
		},
		"Tail": func(ctx context.Context, k *msglog.Kafka) {
			_ = k.Tail(ctx, 0, chat.Mark{}, func(rs []chat.Record, upTo chat.Mark, end bool) error {
				glance{seen}.Records(ctx, 0, rs, upTo, end)
				return nil
			})
		},
	} {
		b.Run(how, func(b *testing.B) {
			k, raw := benched(b, kgo.FetchMinBytes(1))
			ours, theirs := benchRecord()
			ctx, cancel := context.WithCancel(context.Background())
			var reading sync.WaitGroup
			reading.Go(func() { reads(ctx, k) })
			defer reading.Wait()
			defer cancel()
			compare(b, func() error {
				k.Append(ours, func(_ chat.Seq, err error) {
					if err != nil {
						b.Error(err)
					}
				})
				<-seen
				return nil
			}, func() error {
				r := *theirs
				raw.Produce(b.Context(), &r, nil)
				return raw.PollFetches(b.Context()).Err0()
			})
		})
	}
}

// glance is a Handler that only says that something came.
type glance struct{ seen chan int }

func (g glance) Begin(context.Context, int) (chat.Mark, error) { return chat.Mark{}, nil }
func (g glance) End(int)                                       {}
func (g glance) Records(_ context.Context, _ int, rs []chat.Record, _ chat.Mark, _ bool) {
	if len(rs) > 0 {
		g.seen <- len(rs)
	}
}

// BenchmarkKafkaPipelined is how many appends a second go through when some are always on their way.
func BenchmarkKafkaPipelined(b *testing.B) {
	for _, flight := range []int{100, 5000} {
		b.Run(fmt.Sprint("flight=", flight), func(b *testing.B) {
			k, raw := benched(b)
			ours, theirs := benchRecord()
			took := func(one func(done func(error))) time.Duration {
				free := make(chan struct{}, flight)
				start := time.Now()
				for range b.N {
					free <- struct{}{}
					one(func(err error) {
						if <-free; err != nil {
							b.Error(err)
						}
					})
				}
				for range flight {
					free <- struct{}{}
				}
				return time.Since(start)
			}
			b.ResetTimer()
			a := took(func(done func(error)) { k.Append(ours, func(_ chat.Seq, err error) { done(err) }) })
			b.StopTimer()
			r := took(func(done func(error)) {
				r := *theirs
				raw.Produce(context.Background(), &r, func(_ *kgo.Record, err error) { done(err) })
			})
			b.ReportMetric(float64(b.N)/a.Seconds(), "appends/s")
			b.ReportMetric(float64(b.N)/r.Seconds(), "raw-appends/s")
			b.ReportMetric(float64(a)/float64(r), "x-raw")
		})
	}
}
