package engineio

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// keeper remembers its sessions and may panic.
type keeper struct {
	sessions chan *Session
	reasons  chan Reason
	onClose  func()
}

func (k *keeper) Open(s *Session)                { k.sessions <- s }
func (k *keeper) Message(*Session, []byte, bool) {}
func (k *keeper) Close(_ *Session, r Reason) {
	k.reasons <- r
	if k.onClose != nil {
		k.onClose()
	}
}

func newKeeper() *keeper {
	return &keeper{sessions: make(chan *Session, 8), reasons: make(chan Reason, 8)}
}

func ask(srv *Server, method, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, httptest.NewRequest(method, "/engine.io/?EIO=4&transport=polling"+query, nil))
	return w
}

// The heartbeat to the millisecond, on a clock that stands still in between.
func TestHeartbeatClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		srv := New(Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond}, k)
		born := time.Now()
		ask(srv, "GET", "")
		s := <-k.sessions
		for round := 1; round <= 3; round++ {
			w := ask(srv, "GET", "&sid="+s.ID())
			if w.Body.String() != "2" || time.Since(born) != 300*time.Millisecond {
				t.Fatalf("round %d: %q after %v", round, w.Body, time.Since(born))
			}
			time.Sleep(199 * time.Millisecond) // the pong may take its whole time
			s.pong()
			born = time.Now()
		}
		if r := <-k.reasons; r != PingTimeout || time.Since(born) != 500*time.Millisecond {
			t.Errorf("%q after %v of silence", r, time.Since(born))
		}
	})
}

// A waiting poll is answered when its session times out.
func TestTimeoutAnswersThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		srv := New(Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond}, k)
		ask(srv, "GET", "")
		s := <-k.sessions
		ask(srv, "GET", "&sid="+s.ID())
		if w := ask(srv, "GET", "&sid="+s.ID()); w.Body.String() != "1" {
			t.Errorf("answer %q", w.Body)
		}
		if r := <-k.reasons; r != PingTimeout {
			t.Errorf("closed by %q", r)
		}
	})
}

// What waits for a client that never polls again goes after its time.
func TestLingeringEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		srv := New(Options{}, k)
		ask(srv, "GET", "")
		s := <-k.sessions
		s.Close(ForcedClose)
		<-k.reasons
		time.Sleep(pollLinger - time.Millisecond)
		synctest.Wait()
		if srv.Sessions() != 1 {
			t.Error("gone too early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if srv.Sessions() != 0 {
			t.Error("still there")
		}
	})
}

// On a machine so busy that the timer is late, a poll after interval + timeout
// is refused if the ping was never fetched, and only then.
func TestLateTimerDoesNotSaveASilentClient(t *testing.T) {
	for _, fetched := range []bool{false, true} {
		k := newKeeper()
		srv := New(Options{PingInterval: time.Hour, PingTimeout: time.Hour}, k)
		ask(srv, "GET", "")
		s := <-k.sessions
		s.mu.Lock()
		s.born = s.born.Add(-3 * time.Hour)
		s.pinged = true
		if !fetched {
			s.out.push(pingFrame)
		}
		s.mu.Unlock()
		s.Send(NewFrame(Message{Data: []byte("x")}))
		want := "Session ID unknown"
		if fetched {
			want = "4x"
		}
		if w := ask(srv, "GET", "&sid="+s.ID()); !strings.Contains(w.Body.String(), want) {
			t.Errorf("ping fetched %v: answer %q, want %s", fetched, w.Body, want)
		}
		s.abort(ForcedClose, nil)
	}
}

// Panics on the way out leave nothing behind.
func TestPanicInCloseAndRelease(t *testing.T) {
	k := newKeeper()
	k.onClose = func() { panic("close") }
	srv := New(Options{Release: func(*Session) { panic("release") }}, k)
	ask(srv, "GET", "")
	s := <-k.sessions
	if w := ask(srv, "POST", "&sid="+s.ID()); w.Code != http.StatusBadRequest { // an empty body
		t.Errorf("status %d", w.Code)
	}
	if r := <-k.reasons; r != ParseError {
		t.Errorf("closed by %q", r)
	}
	if err := srv.Close(t.Context()); err != nil || srv.Sessions() != 0 {
		t.Errorf("%v, %d sessions", err, srv.Sessions())
	}
}
