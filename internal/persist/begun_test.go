package persist_test

import (
	"strings"
	"testing"
	"time"
)

// A node that is handed 64 partitions says so in one line, not in 64 that hide what the operator looks for.
func TestBeginsInOneLine(t *testing.T) {
	for _, c := range []struct {
		partitions int
		want       string
	}{
		{1, `msg="persister reads on" partition=0 position=`},
		{64, `msg="persister reads on" partitions=64`},
	} {
		bubble(t, c.partitions, func(t *testing.T, w *world) {
			w.start()
			settle()
			time.Sleep(time.Second) // virtual
			if out := w.output(); strings.Count(out, "persister reads on") != 1 || !strings.Contains(out, c.want) {
				t.Errorf("%d partitions: want one line with %q in:\n%s", c.partitions, c.want, out)
			}
		})
	}
}
