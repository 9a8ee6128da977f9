package httpd

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"
)

// The states of a node, and those of an engine.
const (
	StateStarting = "starting"
	StateOK       = "ok"
	StateDegraded = "degraded"
	StateDraining = "draining"

	EngineOK     = "ok"
	EngineDown   = "down"
	EngineBehind = "behind" // the store: it answers, but the persister is paused or far behind; the bus: it answers, but no digests come
)

// Health is what /readyz says.
type Health struct {
	State  string `json:"state"`
	Log    string `json:"log"`
	Bus    string `json:"bus"`
	Store  string `json:"store"`
	Lag    int64  `json:"lag"`              // records of the log that the store does not have
	Reason string `json:"reason,omitempty"` // of the first engine that is not ok
}

// readyz answers 200 also when degraded: a node without its log still serves readers. 503 only while starting or draining.
func readyz(health func() Health) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := health()
		body, err := json.Marshal(h)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if h.State == StateStarting || h.State == StateDraining {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(append(body, '\n'))
	}
}

// guardMetrics lets loopback in (never a forwarded request), and whoever has the token.
func guardMetrics(c Config) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		byToken := ok && c.MetricsToken != "" && subtle.ConstantTimeCompare([]byte(given), []byte(c.MetricsToken)) == 1
		if !byToken && !c.Proxies.Loopback(r) {
			plain(w, http.StatusForbidden, "metrics are for loopback, or for who has the --metrics-token\n")
			return
		}
		c.Metrics.ServeHTTP(w, r)
	}
}
