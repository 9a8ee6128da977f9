// Package segment is the append-only file log under msglog's disk engine (hop 4 of a message's path). A Log is one partition: bodies in,
// bodies out, each at an offset, each durable before it is acknowledged. It knows bytes only.
//
// On disk a partition is a row of segment files. A segment begins with a Header and holds records back to back; behind the last record
// lie preallocated zeros. Every record carries a CRC-32C that covers its segment, its place, its time, its body and the CRC of the record
// before it, so the CRC at a place is a proof of everything before that place.
//
// One committer writes. It takes what has gathered while the last fdatasync ran, writes it in one piece, syncs once, and only then shows it
// to readers and acknowledges it. Hence at most one batch of a partition is ever unsynced; each record names the batch it came in, and
// recovery can tell a torn tail (a hole in the last batch: nobody was promised anything) from damage (a hole in what was synced).
//
// Locks: Log.mu only, held for bookkeeping, never over a system call or a callback.
package segment
