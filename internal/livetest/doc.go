// Package livetest holds hops 4 to 7 of a message's path together, as they are: the disk log, relays, a bus (of memory, and of a real
// Redis), hubs and their history, with the bus made to drop, delay, repeat and reorder. It has tests only.
package livetest
