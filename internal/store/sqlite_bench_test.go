package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/store"
	"golang.org/x/sys/unix"
)

// benchRooms is how many rooms the saved messages are spread over, as by `hubbub bench senders --senders 256`.
const benchRooms = 256

// BenchmarkSave: messages of 256 rooms saved in batches as the persister makes them, into a file that grows with b.N: give
// -benchtime 300000x. It reports the processor time of the process and the bytes that it handed to the disk, both for one record.
func BenchmarkSave(b *testing.B) {
	for _, size := range []int{100, 500, 1000, 2500} {
		b.Run(strconv.Itoa(size), func(b *testing.B) { benchSave(b, size) })
	}
}

func benchSave(b *testing.B, size int) {
	s, err := store.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "s.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Adopt(b.Context(), chat.LogInfo{ID: "l", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		b.Fatal(err)
	}
	var longest time.Duration
	cs, cpu, written := make([]chat.Change, 0, size), time.Duration(0), bytesWritten(b)
	b.ResetTimer()
	for n := 0; n < b.N; {
		cs = cs[:0]
		for ; len(cs) < size && n < b.N; n++ {
			cs = append(cs, chat.Change{Row: benchRecord(n)})
		}
		at, before := time.Now(), processorTime(b)
		if err := s.Save(b.Context(), 0, cs, chat.Mark{Seq: cs[len(cs)-1].Row.Seq}); err != nil {
			b.Fatal(err)
		}
		cpu += processorTime(b) - before
		longest = max(longest, time.Since(at))
	}
	b.StopTimer()
	b.ReportMetric(float64(cpu.Nanoseconds())/1e3/float64(b.N), "cpu-µs/record")
	b.ReportMetric(float64(bytesWritten(b)-written)/float64(b.N), "B/record")
	b.ReportMetric(float64(longest.Milliseconds()), "longest-ms")
}

// benchRecord is the n-th message of the load: 100 bytes of text in one room after the other.
func benchRecord(n int) chat.Record {
	room := chat.RoomID(fmt.Sprintf("room%021d", n%benchRooms))
	user := chat.UserID(fmt.Sprintf("guest%05d", n%benchRooms))
	return chat.Record{Seq: chat.MakeSeq(1, int64(n+1)), Kind: chat.KindMessage, Room: room, User: user, At: int64(1e12 + n), Sent: int64(1e12 + n),
		ID: chat.MakeMessageID(room, user, chat.NewUUIDv7(time.UnixMilli(1e12+int64(n)/10))), Sum: uint64(n) * 0x9e3779b97f4a7c15, Body: fmt.Appendf(nil, `{"text":"%0100d"}`, n)}
}

// processorTime is that of this process so far, of user and kernel.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bytesWritten is what this process has handed to disks so far, 0 where the system does not tell (Linux: /proc/self/io).
func bytesWritten(b *testing.B) int64 {
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if s, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	return 0
}
