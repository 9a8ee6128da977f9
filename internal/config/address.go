package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Address says which engine and where: scheme:rest. The engine's own folder reads the rest.
type Address struct{ Scheme, Rest string }

// Full gives the address as it was written, with its credentials.
func (a Address) Full() string { return a.Scheme + ":" + a.Rest }

// String gives the address for a log line: credentials are left out.
func (a Address) String() string {
	rest := a.Rest
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		end := strings.IndexAny(authority, "/?")
		if end < 0 {
			end = len(authority)
		}
		if at := strings.LastIndexByte(authority[:end], '@'); at >= 0 {
			rest = "//…@" + authority[at+1:]
		}
	}
	return a.Scheme + ":" + rest
}

// The engines of each port: the embedded one first, then those that nodes share.
var (
	logSchemes   = []string{"disk", "kafka"}
	busSchemes   = []string{"memory", "redis", "rediss"}
	storeSchemes = []string{"sqlite", "mongodb", "mongodb+srv"}
)

// Shared says whether the log is one that several nodes can have.
func (c *Config) Shared() bool { return c.Log.Scheme != logSchemes[0] }

// ParseLog reads the address of a log that another flag names.
func ParseLog(flagName, text string) (Address, error) {
	return parseAddress(flagName, text, logSchemes)
}

// parseAddress takes an engine's address apart.
func parseAddress(flagName, text string, known []string) (Address, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	example := known[0] + ":… or " + known[1] + "://…"
	switch {
	case !ok:
		return Address{}, fmt.Errorf("%s %q has no engine: write %s", flagName, text, example)
	case !slices.Contains(known, scheme):
		return Address{}, fmt.Errorf("%s: there is no engine %q: write %s", flagName, scheme, example)
	case scheme != known[0] && (!strings.HasPrefix(rest, "//") || len(rest) == 2):
		return Address{}, fmt.Errorf("%s %s: names no host: write %s://host:port", flagName, scheme, scheme)
	}
	return Address{scheme, rest}, nil
}

// Together refuses engines that would split the rooms between nodes, and a cluster without a common secret (DESIGN.md §1).
func (c *Config) Together() error {
	sharedBus, sharedStore := c.Bus.Scheme != busSchemes[0], c.Store.Scheme != storeSchemes[0]
	switch {
	case c.Shared() && !sharedBus:
		return fmt.Errorf("--log %s is shared by nodes, but --bus %s: is this process's own: rooms would be split; give --bus redis://host:port", c.Log.Scheme, c.Bus.Scheme)
	case c.Shared() && !sharedStore:
		return fmt.Errorf("--log %s is shared by nodes, but --store %s: is this machine's own: history would be split; give --store mongodb://host:port", c.Log.Scheme, c.Store.Scheme)
	case !c.Shared() && sharedBus:
		return fmt.Errorf("--bus %s is shared by nodes, but --log %s: is this machine's own: rooms would be split; give --log kafka://host:port", c.Bus.Scheme, c.Log.Scheme)
	case c.Shared() && c.Secret == "":
		return errors.New("--log kafka needs --secret, the same on all nodes: it signs guest tokens and socket ids, which every node must know")
	}
	return nil
}
