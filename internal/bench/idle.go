package bench

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"
)

// idleBuffer is what an idle socket keeps for reading.
const idleBuffer = 1 << 10

// IdleResult is what open sockets that do nothing cost.
type IdleResult struct {
	Sockets         int     `json:"sockets"`
	ConnectSeconds  float64 `json:"connect_s"`
	CPUPerConnect   float64 `json:"server_cpu_per_connect_us"`
	Before          int64   `json:"rss_before_bytes"`
	After           int64   `json:"rss_after_bytes"`
	PerSocket       float64 `json:"rss_per_socket_bytes"`
	KernelPerSocket float64 `json:"kernel_per_socket_bytes"` // both ends, where they are on one machine
	IdleCPU         float64 `json:"idle_cpu_percent"`        // of one core, while nothing but heartbeats happened
	HoldSeconds     float64 `json:"hold_s"`
	Pings           int64   `json:"pings_answered"`
	Closed          int     `json:"closed"`
}

// Idle opens sockets, holds them, and answers heartbeats.
func Idle(ctx context.Context, t Target, sockets int, hold time.Duration) (*IdleResult, error) {
	all, err := IdleSteps(ctx, t, []int{sockets}, hold)
	if err != nil {
		return nil, err
	}
	return &all.Steps[0], nil
}

// IdleSteps opens sockets in steps, each of them so many in all, and holds what is open at each.
func IdleSteps(ctx context.Context, t Target, steps []int, hold time.Duration) (*Slope, error) {
	if len(steps) == 0 || steps[0] < 1 || !slices.IsSorted(steps) || hold < time.Second {
		return nil, errors.New("the sockets must be above 0 and rise from step to step, and --hold be at least 1s")
	}
	if err := admit(steps[len(steps)-1]); err != nil {
		return nil, err
	}
	servers, err := t.servers(idleBuffer)
	if err != nil {
		return nil, err
	}
	h := &holder{target: t, servers: servers, hold: hold, before: rss(t.Watched), kernel: kernelBytes()}
	defer func() { closeAll(h.open) }()
	var all Slope
	for _, n := range steps {
		res, err := h.step(ctx, n)
		if err != nil {
			return nil, err
		}
		all.Steps = append(all.Steps, *res)
	}
	all.judge()
	return &all, ctx.Err()
}

// holder has the sockets of all steps so far.
type holder struct {
	target         Target
	servers        []server
	hold           time.Duration
	before, kernel int64
	open           []*socket
}

// step opens sockets until there are n, and holds all of them.
func (h *holder) step(ctx context.Context, n int) (*IdleResult, error) {
	t, fresh := h.target, n-len(h.open)
	began, cpu := time.Now(), usageOf(t.Watched)
	more, err := t.open(ctx, fresh, func(i int) server { return h.servers[i%len(h.servers)] }, nil)
	if err != nil {
		return nil, err
	}
	h.open = append(h.open, more...)
	res := &IdleResult{Sockets: n, Before: h.before, ConnectSeconds: time.Since(began).Seconds()}
	wait(ctx, settle) // what a connect leaves to do is done then
	res.CPUPerConnect = sum(usageOf(t.Watched).since(cpu)) * 1e6 / float64(max(fresh, 1))
	pings := h.pings()
	cpu, began = usageOf(t.Watched), time.Now()
	for left := h.hold; left > 0 && ctx.Err() == nil; left = h.hold - time.Since(began) {
		t.say("holding %d sockets %s s", n, bar(int(time.Since(began).Seconds()), int(h.hold.Seconds())))
		wait(ctx, min(left, 200*time.Millisecond))
	}
	res.HoldSeconds = time.Since(began).Seconds()
	res.IdleCPU = 100 * sum(usageOf(t.Watched).since(cpu)) / res.HoldSeconds
	res.After = rss(t.Watched)
	res.PerSocket = float64(res.After-res.Before) / float64(n)
	res.KernelPerSocket = float64(kernelBytes()-h.kernel) / float64(n)
	res.Pings = h.pings() - pings
	for _, s := range h.open {
		if s.over() != nil {
			res.Closed++
		}
	}
	return res, ctx.Err()
}

func (h *holder) pings() (n int64) {
	for _, s := range h.open {
		n += s.pings.Load()
	}
	return n
}

// Slope is how the cost of idle sockets grows with their number.
type Slope struct {
	Steps     []IdleResult `json:"steps"`
	PerSocket float64      `json:"bytes_per_socket"`  // from the first step to the last
	Deviation float64      `json:"deviation_percent"` // of the step between two neighbours that is farthest from that
}

// judge compares what a socket costs between neighbouring steps with what it costs over all of them.
func (s *Slope) judge() {
	first, last := s.Steps[0], s.Steps[len(s.Steps)-1]
	if last.Sockets == first.Sockets {
		return
	}
	s.PerSocket = float64(last.After-first.After) / float64(last.Sockets-first.Sockets)
	for i := 1; i < len(s.Steps) && s.PerSocket != 0; i++ {
		a, b := s.Steps[i-1], s.Steps[i]
		if b.Sockets == a.Sockets {
			continue
		}
		between := float64(b.After-a.After) / float64(b.Sockets-a.Sockets)
		s.Deviation = max(s.Deviation, 100*math.Abs(between/s.PerSocket-1))
	}
}

// rss is the resident memory of all that is watched.
func rss(all []Process) (n int64) {
	for _, p := range all {
		if bytes, err := p.RSS(); err == nil {
			n += bytes
		}
	}
	return n
}

func sum(parts map[string]float64) (all float64) {
	for _, v := range parts {
		all += v
	}
	return all
}
