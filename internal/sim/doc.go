// Package sim runs the real live path (chat.Service, relay, hub, history, persist) in virtual time, inside a testing/synctest bubble, on a
// log, a bus and a store of memory that drop, delay, repeat, reorder, lag and go away, with nodes that crash and clients that move. An
// observer that sees the log and what clients receive holds it to the promises. What it simulates, and its faults, are those of the
// design's model; a run is a minute of that time, and the longer times of the design are scaled down so that a run crosses them.
package sim
