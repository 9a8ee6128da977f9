package engineio

import (
	"errors"
	"net/http"
)

func isUnsupported(err error) bool { return errors.Is(err, http.ErrNotSupported) }

// cors sets the CORS headers of an answer, errors included, since browsers
// hide an answer without them. It reports true for a preflight, which it has
// answered.
func (srv *Server) cors(w http.ResponseWriter, r *http.Request) (done bool) {
	if srv.opts.CORS == nil {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	allowed := origin != "" && srv.opts.CORS(r, origin)
	if allowed {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if r.Method != http.MethodOptions {
		return false
	}
	if allowed {
		h.Set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			h.Set("Access-Control-Allow-Headers", asked)
			h.Add("Vary", "Access-Control-Request-Headers")
		}
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// plainOrigin tells whether an Origin header has only characters that a header
// may have.
func plainOrigin(origin string) bool {
	for i := range len(origin) {
		if c := origin[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}
