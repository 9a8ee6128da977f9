//go:build !faults

package node

// withFaults gives the store as it is. A binary built with the tag faults can take it away: see faults_on.go.
func withFaults(s storeEngine) storeEngine { return s }
