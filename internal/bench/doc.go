// Package bench is behind `hubbub bench`: a load generator and checker over plain Socket.IO, so that it can drive other servers that
// speak the same event names. Every delivery is counted and judged: each message carries its sender, its number and its time.
package bench
