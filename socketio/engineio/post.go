package engineio

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// post is a POST being read or handled.
type post struct {
	rc     *http.ResponseController
	header http.Header // of its answer

	reading     bool // guarded by Session.mu, as is interrupted
	interrupted bool
}

// interruptLocked stops the reading of its body.
func (p *post) interruptLocked() {
	if p.reading {
		p.interrupted = true
		p.rc.SetReadDeadline(time.Now())
	}
}

var (
	errTooLarge = errors.New("engineio: POST body larger than MaxPayload")
	errEnded    = errors.New("engineio: session ended while a POST was read")
)

// servePost reads the packets of one POST and hands them up in order.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	p := &post{rc: http.NewResponseController(w), header: w.Header()}
	if refusal := s.startPost(p); refusal != nil {
		refusal.write(w, r)
		return
	}
	defer s.endPost(p)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream") {
		s.abort(TransportError, nil) // protocol 3 only
		badRequest().write(w, r)
		return
	}
	body, err := s.readBody(p, r)
	defer func() { s.srv.buffers.put(body) }()
	switch {
	case errors.Is(err, errTooLarge):
		// Nothing is handled, and the session lives on: it is the client's turn.
		(&Refusal{Status: http.StatusRequestEntityTooLarge, Code: codeBadRequest, Message: "Payload too large"}).write(w, r)
		return
	case err != nil:
		s.abort(TransportError, nil)
		badRequest().write(w, r)
		return
	}
	if !s.receive(body) {
		badRequest().write(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", "2")
	io.WriteString(w, "ok")
}

// startPost makes p the session's POST. A second one at the same time ends the
// session, since the order of their packets is anybody's guess.
func (s *Session) startPost(p *post) *Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateClosed || s.state == stateFarewell:
		return unknownSession()
	case s.ws != nil:
		return badRequest()
	case s.post != nil:
		s.broken = true
		s.abortLocked(TransportError, nil)
		return badRequest()
	}
	s.post = p
	return nil
}

func (s *Session) endPost(p *post) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.post == p {
		s.post = nil
	}
}

// readBody reads the body, counting bytes as they come, so that a chunked one
// is bounded too. The buffer is borrowed from the server's pool.
func (s *Session) readBody(p *post, r *http.Request) ([]byte, error) {
	limit := s.srv.opts.MaxPayload
	if r.ContentLength > int64(limit) {
		return nil, errTooLarge
	}
	body := s.srv.buffers.get()
	whole := false
	defer func() { s.doneReading(p, whole) }()
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		if !s.patientFor(p) {
			return body, errEnded
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > limit:
			return body, errTooLarge
		case err == io.EOF:
			whole = true
			return body, nil
		case err != nil:
			return body, err
		}
	}
}

// patientFor gives the next read of the body its time; false once the session
// has ended. Under the lock, so that it cannot undo an interrupt.
func (s *Session) patientFor(p *post) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateClosed {
		return false
	}
	p.reading = true
	p.rc.SetReadDeadline(time.Now().Add(s.srv.opts.WriteTimeout))
	return true
}

// doneReading ends the reading of a body. Of one that was not read whole
// net/http reads the rest before it answers, and shall not wait for that long.
// An interrupt that came when all had been read met net/http's look-out for a
// client that hangs up: to it every later request on this connection is over
// before it begins, so there shall be none.
func (s *Session) doneReading(p *post, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.reading = false
	if whole && p.interrupted {
		p.header.Set("Connection", "close")
	}
	if whole {
		p.rc.SetReadDeadline(time.Time{})
	} else {
		p.rc.SetReadDeadline(time.Now().Add(closeLinger))
	}
}

// receive handles the packets of one body; false: the client gets 400.
func (s *Session) receive(body []byte) bool {
	for p, err := range packet.DecodeEnginePayload(body) {
		if err != nil {
			s.abort(ParseError, nil)
			return false
		}
		switch p.Type {
		case packet.EngineMessage:
			s.deliver(p.Data, p.Binary)
		case packet.EnginePong:
			s.pong()
		case packet.EngineClose:
			s.leave()
			return true
		case packet.EnginePing: // the wrong direction
			s.abort(TransportError, nil)
			return false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.broken
}
