package main

import (
	"runtime"
	"runtime/debug"
)

// gcPercent is how much garbage may gather beside what is alive before it is collected. Twice the usual: a server with thousands of
// stacks would spend a sixth of a connect on collecting. What gathers is given back when the server is quiet (node/memory.go).
const gcPercent = 200

// tune sets what Go's own variables have not set. One thread more than cores: a sync of the disk keeps a thread for itself, and on one
// core nothing would gather for the next sync meanwhile.
func tune(getenv func(string) string) {
	if getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
