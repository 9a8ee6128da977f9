package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestParseProcesses(t *testing.T) {
	me := os.Getpid()
	if runtime.GOOS != "linux" {
		if _, err := ParseProcesses(fmt.Sprint(me)); err == nil {
			t.Error("a process is watched without /proc")
		}
		return
	}
	for text, want := range map[string]string{"": "[]", fmt.Sprint(me): fmt.Sprintf("[{server %d}]", me),
		fmt.Sprintf("a=%d,b=1,", me): fmt.Sprintf("[{a %d} {b 1}]", me)} {
		if all, err := ParseProcesses(text); err != nil || fmt.Sprint(all) != want && (text != "" || len(all) > 0) {
			t.Errorf("%q: %v, %v", text, all, err)
		}
	}
	for _, text := range []string{"x", "0", "-1", "a=", "a=b", "1=2=3", "1.5", "999999999"} {
		if all, err := ParseProcesses(text); err == nil || !strings.HasPrefix(err.Error(), "--pid: ") {
			t.Errorf("%q: %v, %v", text, all, err)
		}
	}
}

// The figures of a process rise with what it does.
func TestAProcessIsSeen(t *testing.T) {
	me := Process{"me", os.Getpid()}
	if runtime.GOOS != "linux" {
		return
	}
	before, own := usageOf([]Process{me, {"gone", 999_999_999}}), ownCPU()
	deadline := time.Now().Add(20 * time.Second)
	for x := 0; usageOf([]Process{me}).since(before)["me"] < 0.05 && time.Now().Before(deadline); x++ {
		for range 1_000_000 {
			x += x & 1
		}
	}
	if used := usageOf([]Process{me}).since(before); sum(used) < 0.05 || sum(used) > 60 || ownCPU() <= own {
		t.Errorf("it used %v", used)
	}
	if n := rss([]Process{me}); n < 1<<20 || n > 64<<30 {
		t.Errorf("it has %d bytes", n)
	}
	if available() <= 0 || kernelBytes() <= 0 {
		t.Errorf("the machine has %d bytes, its kernel %d", available(), kernelBytes())
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	if err := admit(1); err != nil {
		t.Error(err)
	}
	err := admit(1 << 30)
	if err == nil || !strings.Contains(err.Error(), "1073741824 sockets do not fit") || strings.Contains(err.Error(), "\n") {
		t.Errorf("it says %v", err)
	}
	if files := openFiles(); files > 0 && files < 1<<20 {
		if err := admit(int(files) - spareFiles); err != nil && strings.Contains(err.Error(), "ulimit") {
			t.Errorf("just as many as there are: %v", err)
		}
		if err := admit(int(files) - spareFiles + 1); err == nil || !strings.Contains(err.Error(), "ulimit -n") {
			t.Errorf("one too many: %v", err)
		}
	}
}
