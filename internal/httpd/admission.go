package httpd

import (
	"errors"
	"net/http"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// Admission decides, before the protocol hears of it, which requests may open or use a socket.
type Admission struct {
	Origins *auth.Origins
	Gate    *auth.Gate
}

// Allow checks a page's origin, at the handshake and on every later request; for engineio.Options.Allow.
func (a Admission) Allow(r *http.Request) error { return refuse(a.Origins.Check(r)) }

// Admit counts a new session in and gives what counts it out; for engineio.Options.Admit.
func (a Admission) Admit(r *http.Request) (release func(), err error) {
	pass, err := a.Gate.Admit(r)
	if err != nil {
		return nil, refuse(err)
	}
	return pass.Release, nil
}

// CORS lets allowed pages read the answers; for engineio.Options.CORS.
func (a Admission) CORS(r *http.Request, origin string) bool { return a.Origins.Allowed(r, origin) }

// refuse words a refusal as the protocol answers it: 403 for an origin, 429 or 503 for a limit.
func refuse(err error) error {
	var e *chat.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	r := &engineio.Refusal{Status: http.StatusForbidden, Message: e.Message, RetryAfter: e.RetryAfter}
	switch e.Code {
	case chat.CodeRateLimited:
		r.Status = http.StatusTooManyRequests
	case chat.CodeOverloaded:
		r.Status = http.StatusServiceUnavailable
	}
	return r
}
