package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// Handler is told of sessions. Calls for one session are serial: Open, then
// Message any number of times, then Close exactly once and last. Calls for
// different sessions run at the same time. A panic in any of them ends that
// session only.
type Handler interface {
	// Open is called before anything can arrive for s. It may Send at once;
	// what it sends follows the handshake packet.
	Open(s *Session)
	// Message hands over one message. Text (binary false) is valid UTF-8.
	// data belongs to the session again when Message returns. While Message
	// runs nothing more is read from this client.
	Message(s *Session, data []byte, binary bool)
	// Close says that s has ended: nothing can be sent any more. Something of
	// it may still be on its way to the client; see Options.Release.
	Close(s *Session, reason Reason)
}

// Options of a [Server]. The zero value of each field means its default.
type Options struct {
	// PingInterval is the time from the opening, or from the last pong, to
	// the next ping. 25 s.
	PingInterval time.Duration
	// PingTimeout is the time a client has for its pong. 20 s.
	PingTimeout time.Duration
	// UpgradeTimeout is the time a websocket has to take over a polling
	// session. 10 s.
	UpgradeTimeout time.Duration
	// MaxPayload is the most bytes of one websocket message and of one POST
	// body. 1,000,000.
	MaxPayload int
	// MaxQueue is the most bytes that may wait for one client, counted as
	// Frame.Size does. A single larger frame passes when nothing else waits.
	// 1 MiB.
	MaxQueue int
	// WriteTimeout: a client to which nothing could be written for so long is
	// closed. The same time bounds a POST body that makes no progress. 10 s.
	WriteTimeout time.Duration

	// CORS says whether a page of the given origin may read the answers.
	// nil: no CORS headers at all. It does not guard websockets: browsers do
	// not apply CORS to them, so refuse foreign origins in Allow.
	CORS func(r *http.Request, origin string) (allow bool)
	// Allow admits a request; it is asked at the handshake and on every later
	// request of a session. A *Refusal chooses the answer, any other error is
	// answered with 403, code 4, and the words "Forbidden".
	Allow func(r *http.Request) error
	// Admit counts a new session in, after Allow, or refuses it as Allow does.
	// What it returns is called once, when nothing of the session remains.
	Admit func(r *http.Request) (release func(), err error)
	// NewID makes a session id: unguessable, URL-safe, never used before. An
	// empty one refuses the handshake. Default: 20 characters, 120 random bits.
	NewID func() string
	// Foreign is called for a session id that is not known here, before the
	// client is told so, and after CORS and Allow have judged the request.
	// True: it took the request over.
	Foreign func(w http.ResponseWriter, r *http.Request, sid string) bool
	// Release is called once nothing of the session remains: Handler.Close
	// has returned and every connection and request of it is gone. It may run
	// on any goroutine.
	Release func(s *Session)
	// Logger gets panics and refusals that an operator should see. Session
	// ids are secrets and never logged. nil: no logging.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	setDuration(&o.PingInterval, 25*time.Second)
	setDuration(&o.PingTimeout, 20*time.Second)
	setDuration(&o.UpgradeTimeout, 10*time.Second)
	setDuration(&o.WriteTimeout, 10*time.Second)
	if o.MaxPayload <= 0 {
		o.MaxPayload = 1_000_000
	}
	if o.MaxQueue <= 0 {
		o.MaxQueue = 1 << 20
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDuration(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}

// randomID returns 15 random bytes as 20 URL-safe characters.
func randomID() string {
	var b [15]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Refusal is an error of Options.Allow or Admit that chooses the answer.
type Refusal struct {
	Status     int           // HTTP status; 403 when 0
	Code       int           // Engine.IO error code; 4 when 0
	Message    string        // "Forbidden" when empty
	RetryAfter time.Duration // sent as Retry-After in whole seconds when > 0
}

// Error makes a Refusal an error.
func (r *Refusal) Error() string { return "engineio: refused: " + r.Message }

// Request is what is kept of the request that opened a session.
type Request struct {
	Header     http.Header
	Query      url.Values
	RemoteAddr string
	Host       string
	Time       time.Time
	TLS        bool
}
