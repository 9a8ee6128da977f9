package bench

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// judged is a run of two sockets in one room, of whom socket 0 has sent `sent` messages, except those that were refused; both get what
// the script says.
func judged(sent int, refused []int, first, second []int) *Result {
	r := &run{Load: Load{Sockets: 2, Rooms: 1}, id: 9, began: time.Now(), deliver: newLatencies(), ack: newLatencies(), senders: make([]sender, 2)}
	r.senders[0].number = sent
	r.senders[0].current.Store(int64(sent))
	r.senders[0].refused = map[int]struct{}{}
	for _, n := range refused {
		r.senders[0].refused[n] = struct{}{}
	}
	for i := range 2 {
		r.all = append(r.all, &receiver{socket: &socket{}, index: i, last: make([]int, 2)})
	}
	for i, got := range [][]int{first, second} {
		for _, n := range got {
			event := append(stamp{9, 0, n, 1}.append([]byte(`42["message:new",{"text":"`)), `"}]`...)
			r.event(r.all[i], event, time.Now())
		}
	}
	res := &Result{}
	r.judge(res)
	return res
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		sent                   int
		refused, first, second []int
		want                   string // lost, twice, out of order, another order
		delivered              int64
	}{
		"all is well":              {3, nil, []int{1, 2, 3}, []int{1, 2, 3}, "0 0 0 0", 6},
		"one is lost in between":   {3, nil, []int{1, 3}, []int{1, 2, 3}, "1 0 0 0", 5},
		"the last is lost":         {3, nil, []int{1, 2, 3}, []int{1, 2}, "1 0 0 0", 5},
		"the first is lost":        {2, nil, []int{2}, []int{2}, "2 0 0 0", 2},
		"nothing comes":            {2, nil, nil, nil, "4 0 0 0", 0},
		"twice at once":            {2, nil, []int{1, 1, 2}, []int{1, 2}, "0 1 0 0", 4},
		"twice, late":              {3, nil, []int{1, 2, 3, 1}, []int{1, 2, 3}, "0 1 0 0", 6},
		"out of order":             {3, nil, []int{1, 3, 2}, []int{1, 2, 3}, "0 0 1 1", 6},
		"out of order for both":    {3, nil, []int{1, 3, 2}, []int{1, 3, 2}, "0 0 2 0", 6},
		"late and then again":      {3, nil, []int{1, 3, 2, 2}, []int{1, 2, 3}, "0 1 1 1", 6},
		"the refused is not owed":  {3, []int{2}, []int{1, 3}, []int{1, 3}, "0 0 0 0", 4},
		"refused at the end":       {3, []int{3}, []int{1, 2}, []int{1, 2}, "0 0 0 0", 4},
		"refused and others lost":  {3, []int{2}, []int{1}, []int{1, 3}, "1 0 0 0", 3},
		"what was never sent":      {2, nil, []int{1, 2, 3, 2_000_000_000}, []int{1, 2}, "0 0 0 0", 4},
		"a number that is nothing": {1, nil, []int{0, 1}, []int{1}, "0 0 0 0", 2},
	} {
		t.Run(name, func(t *testing.T) {
			res := judged(c.sent, c.refused, c.first, c.second)
			got := fmt.Sprint(res.Lost, res.Duplicated, res.OutOfOrder, res.OtherOrder)
			if got != c.want || res.Delivered != c.delivered {
				t.Errorf("%s, %d delivered; want %s, %d", got, res.Delivered, c.want, c.delivered)
			}
			if wrong := c.want != "0 0 0 0"; (res.Wrong() != nil) != wrong {
				t.Errorf("it says %v", res.Wrong())
			}
		})
	}
}

// Two senders may come in either order, but in the same one for everybody.
func TestAnotherOrder(t *testing.T) {
	for name, c := range map[string]struct {
		second [][2]int
		want   int64
	}{"the same": {[][2]int{{0, 1}, {1, 1}}, 0}, "the other": {[][2]int{{1, 1}, {0, 1}}, 1}} {
		r := &run{Load: Load{Sockets: 2, Rooms: 1}, deliver: newLatencies(), ack: newLatencies(), senders: make([]sender, 2)}
		for i := range 2 {
			r.senders[i].number = 1
			r.all = append(r.all, &receiver{socket: &socket{}, index: i, last: make([]int, 2)})
		}
		r.all[0].note(0, 1)
		r.all[0].note(1, 1)
		for _, d := range c.second {
			r.all[1].note(d[0], d[1])
		}
		res := &Result{}
		if r.judge(res); res.OtherOrder != c.want || res.OutOfOrder != 0 {
			t.Errorf("%s: %d with another order, %d out of order", name, res.OtherOrder, res.OutOfOrder)
		}
	}
}

// What others say in the room, or another run, is not counted.
func TestStrangersAreNotCounted(t *testing.T) {
	r := &run{Load: Load{Sockets: 4, Rooms: 2}, id: 9, deliver: newLatencies(), ack: newLatencies(), senders: make([]sender, 4)}
	for i := range r.senders {
		r.senders[i].current.Store(5)
	}
	rec := &receiver{socket: &socket{}, last: make([]int, 2)}
	for _, text := range []string{"hello", string(stamp{8, 0, 1, 1}.append(nil)), string(stamp{9, 1, 1, 1}.append(nil)), string(stamp{9, 6, 1, 1}.append(nil)), "~hb:9.0.1"} {
		r.event(rec, []byte(`42["message:new",{"text":"`+text+`"}]`), time.Now())
	}
	r.event(rec, append([]byte(`42["room:joined",`), stamp{9, 0, 1, 1}.append(nil)...), time.Now())
	if n := rec.delivered.Load(); n != 0 {
		t.Errorf("%d were counted", n)
	}
	r.event(rec, append([]byte(`42["message:new",`), stamp{9, 2, 1, 1}.append(nil)...), time.Now())
	if n := rec.delivered.Load(); n != 1 || rec.last[1] != 1 {
		t.Errorf("%d of one", n)
	}
}

func TestPercentiles(t *testing.T) {
	l := newLatencies()
	for i := range 1000 {
		l.add(i, time.Duration(i+1)*time.Millisecond)
	}
	l.add(3, 10*time.Minute) // longer than is told apart
	l.add(4, -time.Second)   // a clock that went back
	p := l.percentiles()
	near := func(got, want float64) bool { return got > want*0.99 && got < want*1.01 }
	if !near(p.P50, 500) || !near(p.P90, 901) || !near(p.P99, 991) || !near(p.Max, 60_000) {
		t.Errorf("%+v", p)
	}
}

func TestClosedSocketsAreTold(t *testing.T) {
	r := &run{Load: Load{Sockets: 2, Rooms: 2}, deliver: newLatencies(), ack: newLatencies(), senders: make([]sender, 2)}
	for i := range 2 {
		r.all = append(r.all, &receiver{socket: &socket{}, index: i, room: i, last: make([]int, 1)})
	}
	r.all[1].ended = errors.New("the connection ended: why not")
	res := &Result{}
	if r.judge(res); res.Closed != 1 || !strings.Contains(res.ClosedWhy, "why not") {
		t.Errorf("%d closed, %q", res.Closed, res.ClosedWhy)
	}
}

// A message that was due while it was measured counts however late it comes, and its ack too; what was due afterwards does not.
func TestWhatComesLateCounts(t *testing.T) {
	r := &run{Load: Load{Sockets: 1, Rooms: 1}, id: 9, began: time.Now().Add(-10 * time.Second), deliver: newLatencies(), ack: newLatencies(), senders: make([]sender, 1)}
	r.from.Store(int64(time.Second))
	r.to.Store(int64(5 * time.Second))
	r.senders[0].current.Store(3)
	rec := &receiver{socket: &socket{}, last: make([]int, 1)}
	for number, due := range map[int]time.Duration{1: 2 * time.Second, 2: 6 * time.Second} {
		r.event(rec, append([]byte(`42["message:new",`), stamp{9, 0, number, int64(due)}.append(nil)...), time.Now())
		r.answered(0, number, due, []byte(`[{"ok":true}]`), nil)
	}
	for what, p := range map[string]Percentiles{"delivery": r.deliver.percentiles(), "ack": r.ack.percentiles()} {
		if p.P50 < 7900 || p.Max > 9000 {
			t.Errorf("%s: %+v, wanted the one of 8 s alone", what, p)
		}
	}
	if n := r.ackedIn.Load(); n != 0 {
		t.Errorf("%d were acked within the measuring", n)
	}
}

// A connection may end, and a late delivery come, while the run is judged.
func TestJudgingIsSafe(t *testing.T) {
	r := &run{Load: Load{Sockets: 2, Rooms: 1}, deliver: newLatencies(), ack: newLatencies(), senders: make([]sender, 2)}
	conn, other := net.Pipe()
	defer other.Close()
	for i := range 2 {
		r.all = append(r.all, &receiver{socket: &socket{conn: conn, isOpen: true}, index: i, last: make([]int, 2)})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.all[0].note(0, 1)
		r.all[1].socket.end(errors.New("why not"))
	}()
	r.judge(&Result{})
	<-done
}
