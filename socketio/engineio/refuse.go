package engineio

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Error codes of the handshake, see the reference server's verify.
const (
	codeUnknownTransport = 0
	codeUnknownSession   = 1
	codeBadMethod        = 2
	codeBadRequest       = 3
	codeForbidden        = 4
	codeBadVersion       = 5
)

func refuse(code int, message string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: code, Message: message}
}

func badRequest() *Refusal     { return refuse(codeBadRequest, "Bad request") }
func unknownSession() *Refusal { return refuse(codeUnknownSession, "Session ID unknown") }

func shuttingDown() *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, Message: "Server shutting down", RetryAfter: time.Second}
}

// forbidden turns an error of Options.Allow into a refusal with all fields set.
func forbidden(err error) *Refusal {
	out := Refusal{}
	var chosen *Refusal
	if errors.As(err, &chosen) {
		out = *chosen
	}
	return out.filled()
}

// filled returns a copy in which the fields have their defaults.
func (r Refusal) filled() *Refusal {
	if r.Status == 0 {
		r.Status = http.StatusForbidden
	}
	if r.Code == 0 {
		r.Code = codeForbidden
	}
	if r.Message == "" {
		r.Message = "Forbidden"
	}
	return &r
}

// UnknownSession is the answer to a request whose session id names no session:
// the client opens a new one.
func UnknownSession() *Refusal { return unknownSession() }

// Write answers with the refusal: JSON for a polling client, plain text and a
// closed connection for a websocket, as the reference server does. The status
// is the refusal's own on both. For a handler beside the server, such as
// Options.Foreign.
func (r *Refusal) Write(w http.ResponseWriter, req *http.Request) { r.filled().write(w, req) }

func (r *Refusal) write(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	var body []byte
	if wantsWebsocket(req) {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Connection", "close")
		body = []byte(r.Message)
	} else {
		h.Set("Content-Type", "application/json")
		body, _ = json.Marshal(struct { // two plain fields: cannot fail
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{r.Code, r.Message})
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(r.RetryAfter.Seconds()))))
	}
	w.WriteHeader(r.Status)
	w.Write(body)
}
