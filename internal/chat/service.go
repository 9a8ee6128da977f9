package chat

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Ports are what the Service needs of the hops behind it. The first five must be there.
type Ports struct {
	Log        Log
	Rooms      Rooms
	History    History
	Directory  Directory
	Bus        Bus
	Partitions int                                     // of the log; 1 if not given
	Paused     func() bool                             // true while the persister is paused: no id is looked up. nil: never
	Here       func(RoomID, UserID) (here, known bool) // whether a user is in a room right now, if that is known. nil: not known of anybody
}

// Limits bound what one request may ask for. A zero field means its default. Each has a flag, named in its refusal.
type Limits struct {
	TextBytes    int // of a message: 16 KiB (--text-bytes)
	NameBytes    int // of a room's name; its topic may have five times as much: 200 (--name-bytes)
	RoomMembers  int // members of a room: 10,000 (--room-members)
	RoomsPerUser int // rooms that a user may be in: 1,000 (--rooms-per-user)
	PageSize     int // rows of an answer: 100 (--page-size)
	InFlight     int // requests that wait for the log on this node: 20,000
	Retries      int // retries of one request that wait with it: 64
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		n   *int
		def int
	}{{&l.TextBytes, 16 << 10}, {&l.NameBytes, 200}, {&l.RoomMembers, 10_000}, {&l.RoomsPerUser, 1000}, {&l.PageSize, 100},
		{&l.InFlight, 20_000}, {&l.Retries, 64}} {
		if *d.n <= 0 {
			*d.n = d.def
		}
	}
	return l
}

// DefaultPage is how many rows an answer has when the request does not say.
const DefaultPage = 50

// Service is the rules of requests: who may ask for what, what becomes a record, and what is answered. Its methods return when the
// request has taken effect in the order of its caller, so that whoever calls them one after another for a room is judged in that
// order. All errors are *Error or wrap one. Safe for concurrent use.
type Service struct {
	ports  Ports
	limits Limits
	times  Times
	log    *slog.Logger

	mu      sync.Mutex
	flights map[MessageID]*flight // requests on their way into the log; bounded by Limits.InFlight
	sweeper *time.Timer           // runs while there are flights
	success time.Time             // of the latest append that succeeded
	stuck   bool                  // none has succeeded for Times.Wait while one waits
	acked   map[RoomID]Seq        // the newest acked here; bounded by maxAcked
	typing  map[typist]time.Time  // when a typing notice was last passed on; bounded by maxTypists
	swept   time.Time             // when old ones were last taken out of it
	counts  ServiceStats
}

// NewService makes a Service. Nothing runs until a request comes.
func NewService(p Ports, l Limits, t Times, log *slog.Logger) *Service {
	if p.Partitions <= 0 {
		p.Partitions = 1
	}
	if p.Paused == nil {
		p.Paused = func() bool { return false }
	}
	if p.Here == nil {
		p.Here = func(RoomID, UserID) (here, known bool) { return false, false }
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Service{ports: p, limits: l.withDefaults(), times: t, log: log, flights: map[MessageID]*flight{}, acked: map[RoomID]Seq{},
		typing: map[typist]time.Time{}}
}

// ServiceStats are numbers for the metrics; all but the first two only rise.
type ServiceStats struct {
	InFlight  int  // requests that wait for the log now
	Stuck     bool // new ones are refused because the log does not answer
	Appended  int64
	Failed    int64 // the log said no, or did not say
	Expired   int64 // answered `unknown` because the log took longer than Times.Wait
	Repeats   int64 // answered as the first time
	Conflicts int64
}

// Stats gives the numbers as of now.
func (s *Service) Stats() ServiceStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.counts
	st.InFlight, st.Stuck = len(s.flights), s.stuck
	return st
}

// PageSize is the most rows an answer may have.
func (s *Service) PageSize() int { return s.limits.PageSize }

// view gives the room's view. A room that does not exist and one that cannot be known are told apart, nothing else.
func (s *Service) view(ctx context.Context, room RoomID) (*View, error) {
	v, _, err := s.ports.Rooms.View(ctx, room, 0)
	switch {
	case err == nil && v.Exists():
		return v, nil
	case err == nil, errors.Is(err, ErrNotFound):
		return nil, ErrNotFound
	}
	return nil, refusal(err)
}

// member gives the view if u may read the room: ErrNotFound to whom it does not exist, forbidden to whom it does.
func (s *Service) member(ctx context.Context, u UserID, room RoomID) (*View, error) {
	v, err := s.view(ctx, room)
	if err != nil {
		return nil, err
	}
	return v, memberOnly(v, u)
}

// memberOnly is the rule of everything that only members may do.
func memberOnly(v *View, u UserID) error {
	switch {
	case v.CanRead(u):
		return nil
	case v.CanSee(u):
		return Errorf(CodeForbidden, "only members may do this; join the room first")
	}
	return ErrNotFound
}

// refusal keeps an *Error as it is; a context that ended, or a port's own trouble, means that it cannot be known right now.
func refusal(err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return errors.Join(ErrUnavailable, err)
}

// limit gives how many rows to answer with.
func (s *Service) limit(asked int) int {
	if asked <= 0 {
		return min(DefaultPage, s.limits.PageSize)
	}
	return min(asked, s.limits.PageSize)
}
