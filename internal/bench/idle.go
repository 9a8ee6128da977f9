package bench

import (
	"context"
	"errors"
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
	if sockets < 1 || hold < time.Second {
		return nil, errors.New("--sockets must be above 0 and --hold at least 1s")
	}
	if err := admit(sockets); err != nil {
		return nil, err
	}
	servers, err := t.servers(idleBuffer)
	if err != nil {
		return nil, err
	}
	res := &IdleResult{Sockets: sockets, Before: rss(t.Watched)}
	kernel, began, cpu := kernelBytes(), time.Now(), usageOf(t.Watched)
	all, err := t.open(ctx, sockets, func(i int) server { return servers[i%len(servers)] }, nil)
	if err != nil {
		return nil, err
	}
	defer closeAll(all)
	res.ConnectSeconds = time.Since(began).Seconds()
	wait(ctx, settle) // what a connect leaves to do is done then
	res.CPUPerConnect = sum(usageOf(t.Watched).since(cpu)) * 1e6 / float64(sockets)
	cpu, began = usageOf(t.Watched), time.Now()
	for left := hold; left > 0 && ctx.Err() == nil; left = hold - time.Since(began) {
		t.say("holding %s s", bar(int(time.Since(began).Seconds()), int(hold.Seconds())))
		wait(ctx, min(left, 200*time.Millisecond))
	}
	res.HoldSeconds = time.Since(began).Seconds()
	res.IdleCPU = 100 * sum(usageOf(t.Watched).since(cpu)) / res.HoldSeconds
	res.After = rss(t.Watched)
	res.PerSocket = float64(res.After-res.Before) / float64(sockets)
	res.KernelPerSocket = float64(kernelBytes()-kernel) / float64(sockets)
	for _, s := range all {
		res.Pings += s.pings.Load()
		s.mu.Lock()
		if s.ended != nil {
			res.Closed++
		}
		s.mu.Unlock()
	}
	return res, ctx.Err()
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
