//go:build !unix

package bench

import "time"

// openFiles is how many files this process may have open; 0: not known.
func openFiles() uint64 { return 0 }

// ownCPU is the processor time that this process has used; 0: not known.
func ownCPU() time.Duration { return 0 }
