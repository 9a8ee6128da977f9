//go:build faults

package node

import (
	"os"

	"github.com/hubbub-chat/hubbub/internal/store/faulty"
)

// faultsFile names the variable with the path of the file that says how the store fails. Only a binary built with the tag faults reads it.
const faultsFile = "HUBBUB_TEST_STORE_FAULTS"

func withFaults(s storeEngine) storeEngine {
	if path := os.Getenv(faultsFile); path != "" {
		return faulty.Wrap(s, path)
	}
	return s
}
