package sim

import (
	"slices"
	"strings"
	"time"
)

// fault does harm, and gives what ends it. mu is held.
type fault struct {
	name  string
	begin func(w *World) func()
}

// hold raises a counter and gives what lowers it.
func hold(n *int) func() { *n++; return func() { *n-- } }

// raise sets a probability and gives what clears it.
func raise(p *float64, to float64) func() { *p = to; return func() { *p = 0 } }

func nothing() {}

func faults() []fault {
	return []fault{
		{"bus drops", func(w *World) func() { return raise(&w.bus.drop, 0.05+0.9*w.rng.Float64()) }},
		{"bus repeats", func(w *World) func() { return raise(&w.bus.dup, 0.5) }},
		{"bus delays and reorders", func(w *World) func() { return raise(&w.bus.late, 0.1+0.8*w.rng.Float64()) }},
		{"bus down", busDown},
		{"node without bus", func(w *World) func() { return hold(&w.someNode().cutBus) }},
		{"node without log", func(w *World) func() { return hold(&w.someNode().cutLog) }},
		{"log down", func(w *World) func() { return hold(&w.log.down) }},
		{"store without writes", func(w *World) func() { return hold(&w.store.noSave) }},
		{"store down", func(w *World) func() {
			read, save := hold(&w.store.noRead), hold(&w.store.noSave)
			return func() { read(); save() }
		}},
		{"two persisters", func(w *World) func() { return hold(&w.savers.two) }},
		{"persister restarts", func(w *World) func() {
			none := hold(&w.savers.none)
			w.savers.balance(1)
			return none
		}},
		{"node crashes", func(w *World) func() {
			n := w.someNode()
			if !n.up {
				return nothing
			}
			n.crash()
			return n.start
		}},
		{"node freezes", func(w *World) func() {
			w.someNode().frozen = min(healAt, w.now()+w.between(200*ms, 8*time.Second))
			return nothing
		}},
		{"no relay", func(w *World) func() { return hold(&w.relays.none) }},
		{"two relays", func(w *World) func() { return hold(&w.relays.two) }},
		{"relay moves", func(w *World) func() {
			for _, m := range w.relays.members {
				m.release()
			}
			w.relays.balance(w.rng.Float64())
			return nothing
		}},
		{"relay's reads hang", func(w *World) func() { return hold(&w.someNode().hung) }},
		{"relay far behind", func(w *World) func() {
			w.relays.slow = true
			return func() { w.relays.slow = false }
		}},
		{"appends overtaken by retries", func(w *World) func() { return raise(&w.log.slowAppend, 0.2) }},
		{"old requests again", func(w *World) func() { return raise(&w.lateRetry, 0.5) }},
		{"clients move", func(w *World) func() {
			on := true
			var cut func()
			cut = func() {
				if on {
					w.clients[w.pick(len(w.clients))].disconnect()
					w.after(w.between(0, 400*ms), cut)
				}
			}
			cut()
			return func() { on = false }
		}},
	}
}

// busDown also loses every subscription: they come back a moment after the bus.
func busDown(w *World) func() {
	up := hold(&w.bus.down)
	return func() {
		up()
		w.bus.ready = w.now() + w.between(0, 500*ms)
	}
}

// forGood are the states in which a run may end.
func forGood() []fault {
	return []fault{
		{"for good: bus down", busDown},
		{"for good: no relay", func(w *World) func() { return hold(&w.relays.none) }},
		{"for good: two relays", func(w *World) func() { return hold(&w.relays.two) }},
		{"for good: a relay that hangs", func(w *World) func() { return hold(&w.someNode().hung) }},
	}
}

// schedule plans the faults of a run, some of them at the same time, and how it ends. The caller holds mu.
func (w *World) schedule() {
	all, n := faults(), 1+w.pick(9)
	if w.only != "" {
		only := strings.Split(w.only, ",")
		all = slices.DeleteFunc(all, func(f fault) bool { return !slices.Contains(only, f.name) })
	} else if w.chance(0.5) { // few kinds, each often: what only two or three together bring about is rare among all
		w.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all, n = all[:2+w.pick(4)], n+3
	}
	for range n {
		if len(all) == 0 { // "none", or a name that is not there
			break
		}
		f := all[w.pick(len(all))]
		w.count["fault: "+f.name]++
		from := w.between(3*time.Second, healAt-2*time.Second)
		to := min(healAt-w.between(0, ms), from+w.between(200*ms, 15*time.Second))
		w.after(from, func() {
			w.tracef("FAULT %s until %v", f.name, to)
			heal := f.begin(w)
			w.after(to-w.now(), func() { w.tracef("HEAL %s", f.name); heal() })
		})
	}
	w.after(healAt, func() {
		w.healthy = true
		good := forGood()
		if i := w.pick(10); i < len(good) && w.only == "" {
			w.count[good[i].name]++
			w.healthy = false
			w.tracef("FAULT %s", good[i].name)
			good[i].begin(w)
		}
		w.after(ms, func() { w.relays.balance(1); w.savers.balance(1) })
	})
}
