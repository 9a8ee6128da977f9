package node

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	trimEvery = 3 * time.Second
	quietRate = 2 << 20 // bytes a second: below it nothing much happens
	trimWorth = 8 << 20 // bytes, of garbage or free, that are worth a collection
)

// keepTrim gives memory back when a storm is over. Go would collect its garbage after two quiet minutes, and return it to the system
// over more of them; a crowd that has just come leaves as much behind as its sockets keep.
func keepTrim(ctx context.Context) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	t := trimmer{last: readHeap()}
	for {
		select {
		case <-tick.C:
			if t.due(readHeap()) {
				debug.FreeOSMemory()
				t.last = readHeap()
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// heap is a look at the runtime's figures, bytes.
type heap struct {
	allocated uint64 // since the start
	objects   uint64 // alive, and dead but not yet collected
	live      uint64 // after the last collection
	free      uint64 // kept from the system for later
}

// trimmer decides when a collection is worth its while.
type trimmer struct{ last heap }

// due compares with the last look: was it quiet in between, and is there much to be had?
func (t *trimmer) due(now heap) bool {
	quiet := now.allocated-t.last.allocated < quietRate*uint64(trimEvery/time.Second)
	t.last = now
	return quiet && now.objects+now.free > now.live+max(trimWorth, now.live/4)
}

func readHeap() heap {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(s)
	return heap{s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64(), s[3].Value.Uint64()}
}
