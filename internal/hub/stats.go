package hub

import "sync/atomic"

// Stats counts what a hub has done since it was made, and tells what it holds now.
type Stats struct {
	OpenRooms    int64 // now
	Listeners    int64 // now
	Tailing      int64 // now: partitions that this node tails itself for want of digests
	Silent       int64 // now: partitions of which no digest has come for too long, with rooms open in them or not
	Fallbacks    int64 // times that began
	Passes       int64 // readings of the log, each for any number of rooms
	Fills        int64 // rooms that such a reading was begun for, or joined
	Resets       int64 // rooms closed since the log no longer had what they missed, or went back
	OpenRetries  int64 // tries to open a room that the history refused
	AheadDropped int64 // spans dropped for want of space, or since nothing led up to them
	Copies       int64 // records passed over as copies
	Forgotten    int64 // ids of changes forgotten by number instead of time: above 0, Limits.Changes is too small
	Delivered    int64 // frames of records and whispers handed to listeners live
	Replays      int64 // resumes with a place to resume from
	Gaps         int64 // explicit gaps given to listeners
	Malformed    int64 // notes of the bus that made no sense
}

// counters are the atomic side of Stats.
type counters struct {
	openRooms, listeners, tailing, fallbacks, passes, fills, resets, openRetries, aheadDropped, copies, forgotten, delivered, replays,
	gaps, malformed atomic.Int64
}

// Stats gives the counters.
func (h *Hub) Stats() Stats {
	c := &h.count
	silent := int64(0)
	for _, p := range h.parts {
		if p.silent() {
			silent++
		}
	}
	return Stats{Silent: silent, OpenRooms: c.openRooms.Load(), Listeners: c.listeners.Load(), Tailing: c.tailing.Load(), Fallbacks: c.fallbacks.Load(),
		Passes: c.passes.Load(), Fills: c.fills.Load(), Resets: c.resets.Load(), OpenRetries: c.openRetries.Load(),
		AheadDropped: c.aheadDropped.Load(), Copies: c.copies.Load(), Forgotten: c.forgotten.Load(), Delivered: c.delivered.Load(),
		Replays: c.replays.Load(), Gaps: c.gaps.Load(), Malformed: c.malformed.Load()}
}
