package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/relay"
)

// start runs a relay until the returned stop.
func start(t *testing.T, l chat.Log, b chat.Bus, o relay.Options) (r *relay.Relay, stop func()) {
	t.Helper()
	r = relay.New(l, b, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return r, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

func TestRelaysInOrderWithFences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(2)
		old := l.add(0, "x", 0)
		b := &busDouble{t: t, log: l}
		r, stop := start(t, l, b, relay.Options{})
		time.Sleep(150 * time.Millisecond) // after the first digest, long before the next
		x1, y1 := l.add(0, "x", 3), l.add(0, "y", 0)
		time.Sleep(100 * time.Millisecond)
		x2, x3 := l.add(0, "x", 0), l.add(0, "x", 2)
		z1 := l.add(1, "z", 0)
		time.Sleep(2 * time.Second)
		stop()
		if l.group != relay.Group {
			t.Errorf("joined %q", l.group)
		}
		var got []string
		for i, s := range b.spans {
			got = append(got, fmt.Sprint(b.rooms[i], s.From, s.To, len(s.Records)))
		}
		want := []string{fmt.Sprint("x", old.Seq, x1.Seq, 1), fmt.Sprint("y", old.Seq, y1.Seq, 1), fmt.Sprint("x", x1.Seq, x3.Seq, 2)}
		if z := fmt.Sprint("z", z1.Seq-1, z1.Seq, 1); !strings.Contains(strings.Join(got, "|"), z) {
			t.Errorf("%s is not among %v", z, got)
		}
		if !strings.Contains(strings.Join(got, "|"), strings.Join(want[:2], "|")) || !strings.Contains(strings.Join(got, "|"), want[2]) || x2.Seq == 0 {
			t.Errorf("spans %v, want %v", got, want)
		}
		s := r.Stats()
		if s.Spans != 4 || s.Records != 5 || s.Failed != 0 || len(s.Partitions) != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestDigestEachSecondAlsoWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		b := &busDouble{t: t, log: l}
		r, stop := start(t, l, b, relay.Options{})
		time.Sleep(10*time.Second + 50*time.Millisecond)
		if n := b.digestCount(); n < 10 || n > 12 {
			t.Errorf("%d digests in ten idle seconds", n)
		}
		if s := r.Stats(); len(s.Partitions) != 1 || time.Since(s.Partitions[0].Digest) > 2*time.Second {
			t.Errorf("stats %+v", s)
		}
		x := l.add(0, "x", 0)
		time.Sleep(2 * time.Second)
		stop()
		named := 0
		for i, d := range b.digests {
			if i > 0 && d.P0 != b.digests[i-1].P1 {
				t.Errorf("digest %d begins at %d, the one before ended at %d", i, d.P0, b.digests[i-1].P1)
			}
			if d.Heads["x"] == x.Seq {
				named++
			}
		}
		if named != 1 {
			t.Errorf("the head was named %d times", named)
		}
	})
}

// TestIdleCallsASecondApart: the log calls once a second and never exactly; no period is missed for long.
func TestIdleCallsASecondApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		b := &busDouble{t: t, log: l}
		r := relay.New(l, b, relay.Options{})
		m, err := r.Begin(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			r.Records(t.Context(), 0, nil, m, true)
			time.Sleep(time.Second - time.Duration(i%3)*5*time.Millisecond)
		}
		for i := 1; i < len(b.at); i++ {
			if d := b.at[i].Sub(b.at[i-1]); d > 1100*time.Millisecond {
				t.Errorf("%v between two digests", d)
			}
		}
		if n := b.digestCount(); n != 100 {
			t.Errorf("%d digests in 100 s", n)
		}
	})
}

func TestNoDigestFromARelayThatHangsOrIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		b := &busDouble{t: t, log: l}
		_, stop := start(t, l, b, relay.Options{})
		time.Sleep(3 * time.Second)
		l.set(false, true)
		time.Sleep(time.Second)
		n := b.digestCount()
		time.Sleep(30 * time.Second)
		if m := b.digestCount(); m != n {
			t.Errorf("%d digests while the reads hung", m-n)
		}
		l.set(false, false)
		time.Sleep(3 * time.Second)
		if m := b.digestCount(); m <= n {
			t.Error("no digest after the reads came back")
		}
		stop()

		behind := relay.New(l, b, relay.Options{})
		m, err := behind.Begin(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		n = b.digestCount()
		for range 100 {
			m.Seq = l.add(0, "x", 0).Seq
			behind.Records(t.Context(), 0, l.of(0, "x", m.Seq-1, m.Seq), m, false)
			time.Sleep(time.Second)
		}
		if m := b.digestCount(); m != n {
			t.Errorf("%d digests from a relay that never reached the end", m-n)
		}
	})
}

func TestLongSpansAreCut(t *testing.T) {
	l := newLog(1)
	b := &busDouble{t: t, log: l}
	r := relay.New(l, b, relay.Options{})
	m, err := r.Begin(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	begin := m.Seq
	for i := range 40 {
		m.Seq = l.add(0, "x", 1).Seq
		l.parts[0][i].Body = bytes.Repeat([]byte("x"), 100<<10)
	}
	huge := l.add(0, "x", 0)
	l.parts[0][40].Body = bytes.Repeat([]byte("x"), 600<<10) // beyond what a log takes; still goes out alone
	m.Seq = huge.Seq
	rs, _, _ := l.read(0, begin, 2000)
	r.Records(t.Context(), 0, rs, m, true)
	at, records := begin, 0
	for i, s := range b.spans {
		if s.From != at {
			t.Errorf("span %d begins at %d, the one before ended at %d", i, s.From, at)
		}
		if b.sizes[i] > 513<<10 && len(s.Records) > 1 {
			t.Errorf("span %d has %d bytes", i, b.sizes[i])
		}
		at, records = s.To, records+len(s.Records)
	}
	if len(b.spans) != 9 || at != huge.Seq || records != 41 {
		t.Errorf("%d spans to %d with %d records", len(b.spans), at, records)
	}
}

func TestFailedPublishIsDroppedAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newLog(1)
		b := &busDouble{t: t, log: l, fail: true}
		r, stop := start(t, l, b, relay.Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		for range 5 {
			time.Sleep(time.Second)
			l.add(0, "x", 0)
		}
		time.Sleep(time.Second)
		b.set(false)
		time.Sleep(3 * time.Second)
		s := r.Stats()
		stop()
		if s.Failed < 5 || s.Lost < 5 || s.Spans != 0 || s.Digests == 0 || len(b.spans) != 0 {
			t.Errorf("stats %+v, %d spans came", s, len(b.spans))
		}
		if n := strings.Count(out.String(), "can not publish"); n != 1 {
			t.Errorf("the outage was logged %d times:\n%s", n, out.String())
		}
		if n := strings.Count(out.String(), "publishes again"); n != 1 {
			t.Errorf("its end was logged %d times", n)
		}
	})
}

func TestBegin(t *testing.T) {
	l := newLog(1)
	r := relay.New(l, &busDouble{t: t, log: l}, relay.Options{})
	l.set(true, false)
	if _, err := r.Begin(t.Context(), 0); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("begin without a log: %v", err)
	}
	l.set(false, false)
	if _, err := r.Begin(t.Context(), 7); err == nil {
		t.Error("begin of a partition that is not there gave no error")
	}
	x := l.add(0, "x", 5)
	m, err := r.Begin(t.Context(), 0)
	if err != nil || m.Seq != x.Seq {
		t.Errorf("begins at %d (%v), the log ends at %d", m.Seq, err, x.Seq)
	}
	r.End(0)
	r.Records(t.Context(), 0, nil, m, true) // of a partition that is no longer ours: nothing happens
	if s := r.Stats(); s.Digests != 0 || len(s.Partitions) != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestJoinsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		b := &busDouble{t: t, log: l}
		l.lost = []error{chat.ErrTrimmed, chat.ErrRewound}
		_, stop := start(t, l, b, relay.Options{})
		time.Sleep(5 * time.Second)
		stop()
		if b.digestCount() == 0 {
			t.Error("no digest")
		}
		l.lost = []error{chat.ErrTrimmed, chat.ErrUnavailable}
		if err := relay.New(l, b, relay.Options{}).Run(t.Context()); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("run on a closed log: %v", err)
		}
	})
}

// TestHandedOverAgain: what has been said is not said again.
func TestHandedOverAgain(t *testing.T) {
	l := newLog(1)
	b := &busDouble{t: t, log: l}
	r := relay.New(l, b, relay.Options{})
	m, err := r.Begin(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	begin := m.Seq
	l.add(0, "x", 0)
	m.Seq = l.add(0, "y", 0).Seq
	rs, _, _ := l.read(0, begin, 2000)
	r.Records(t.Context(), 0, rs, m, false)
	m.Seq = l.add(0, "x", 0).Seq
	rs, _, _ = l.read(0, begin, 2000)
	r.Records(t.Context(), 0, rs, m, true)
	if s := r.Stats(); s.Records != 3 || s.Spans != 3 {
		t.Errorf("stats %+v", s)
	}
}
