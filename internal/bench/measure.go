package bench

import (
	"context"
	"sync"
	"time"
)

const (
	settle = time.Second // the quiet between the joins and the load
	// quiet is how long it is watched what still comes when nothing is owed any more: a second copy may be late.
	quiet = time.Second
)

// measure sends, for the warm-up and the duration, and makes the result.
func (r *run) measure(ctx context.Context) (*Result, error) {
	wait(ctx, settle)
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var senders sync.WaitGroup
	if r.InFlight > 0 {
		for i := range r.InFlight {
			senders.Go(func() { r.keepOne(sending, i) })
		}
	} else {
		senders.Go(func() { r.keepRate(sending) })
	}
	r.wait(ctx, "warming up", r.Warmup)
	res := &Result{Sockets: r.Sockets, Rooms: r.Rooms, InFlight: r.InFlight, Rate: r.Rate, Size: r.Size}
	before, own, began, had := usageOf(r.target.Watched), ownCPU(), time.Now(), r.delivered()
	r.from.Store(int64(time.Since(r.began)))
	r.wait(ctx, "measuring", r.Duration)
	r.to.Store(int64(time.Since(r.began)))
	seconds := time.Since(began).Seconds()
	got := r.delivered() - had
	res.use(r.target.Watched, usageOf(r.target.Watched).since(before), got)
	res.Seconds, res.GeneratorCPU = seconds, (ownCPU() - own).Seconds()
	res.DeliveriesPerSecond, res.AcksPerSecond = float64(got)/seconds, float64(r.ackedIn.Load())/seconds
	stop()
	senders.Wait()
	r.drain(ctx)
	r.judge(res)
	return res, ctx.Err()
}

// wait waits, with a bar.
func (r *run) wait(ctx context.Context, what string, d time.Duration) {
	const step = 200 * time.Millisecond
	for began := time.Now(); ctx.Err() == nil; {
		past := time.Since(began)
		r.target.say("%s %s s, %d delivered, %d refused", what, bar(int(past.Seconds()), int(d.Seconds())), r.delivered(), r.refused.Load())
		if past >= d {
			return
		}
		wait(ctx, min(step, d-past))
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (r *run) delivered() (n int64) {
	for _, rec := range r.all {
		n += rec.delivered.Load()
	}
	return n
}

// keepOne has one message of one socket on its way at any time, as long as the socket lasts.
func (r *run) keepOne(ctx context.Context, i int) {
	timer := time.NewTimer(r.Patience)
	defer timer.Stop()
	for ctx.Err() == nil && r.all[i].over() == nil {
		select {
		case <-r.senders[i].through: // of an earlier one, that was given up
		default:
		}
		r.send(i, time.Since(r.began))
		timer.Reset(r.Patience)
		select {
		case <-r.senders[i].through:
		case <-timer.C:
			r.given.Add(1)
		case <-ctx.Done():
		}
	}
}

// keepRate sends each message when it is due, whatever has become of those before it; sockets take turns, so that rooms do.
func (r *run) keepRate(ctx context.Context) {
	start := time.Since(r.began)
	for n := 0; ctx.Err() == nil; n++ {
		due := start + time.Duration(float64(n)/r.Rate*float64(time.Second))
		if early := due - time.Since(r.began); early > 0 {
			wait(ctx, early)
			if ctx.Err() != nil {
				return
			}
		}
		r.send(n%r.Sockets, due)
	}
}

// drain waits until everything that was acked has come, or patience ends.
func (r *run) drain(ctx context.Context) {
	for began := time.Now(); time.Since(began) < r.Patience && ctx.Err() == nil; wait(ctx, 50*time.Millisecond) {
		if r.acked.Load()+r.refused.Load() == r.sent.Load() && r.owed() == 0 {
			wait(ctx, quiet)
			return
		}
		r.target.say("waiting for the last deliveries")
	}
}

// owed is how many deliveries are still to come: of every number that was not refused, to every socket of its room.
func (r *run) owed() (n int64) {
	for _, rec := range r.all {
		rec.mu.Lock()
		for place, last := range rec.last {
			s := &r.senders[place*r.Rooms+rec.room]
			s.mu.Lock()
			n += int64(s.number - last)
			for number := range s.refused {
				if number > last {
					n--
				}
			}
			s.mu.Unlock()
		}
		for hole := range rec.missing {
			s := &r.senders[hole[0]*r.Rooms+rec.room]
			s.mu.Lock()
			if _, refused := s.refused[hole[1]]; !refused {
				n++
			}
			s.mu.Unlock()
		}
		rec.mu.Unlock()
	}
	return n
}

// judge adds up what every socket saw.
func (r *run) judge(res *Result) {
	res.Sent, res.Acked, res.Refused, res.GivenUp = r.sent.Load(), r.acked.Load(), r.refused.Load(), r.given.Load()
	res.RefusedWhy, _ = r.fail.Load().(string)
	res.Unanswered, res.Strayed = res.Sent-res.Acked-res.Refused, r.strayed.Load()
	res.Delivered, res.Lost = r.delivered(), r.owed()
	res.Ack, res.Delivery = r.ack.percentiles(), r.deliver.percentiles()
	order := make([]uint64, len(r.all))
	got := make([]int64, len(r.all))
	for i, rec := range r.all {
		rec.mu.Lock()
		order[i], got[i] = rec.order, rec.delivered.Load()
		res.Duplicated += rec.duplicate
		res.OutOfOrder += rec.disorder
		rec.mu.Unlock()
		if first := i % r.Rooms; order[i] != order[first] && got[i] == got[first] {
			res.OtherOrder++
		}
		if err := rec.over(); err != nil {
			res.Closed++
			res.ClosedWhy = err.Error()
		}
	}
}
