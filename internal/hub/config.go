package hub

import (
	"log/slog"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Config is what a Hub is made of. Presence may be nil: then nobody is told who is here.
type Config struct {
	Log        chat.Log
	Bus        chat.Bus
	History    chat.History
	Presence   chat.Presence
	Encoder    chat.Encoder
	Node       string // this node's name in the presence
	Partitions int    // of the log
	Times      chat.Times
	Limits     Limits
	// Live is told of each record that has gone to sockets live: its age by the log's clock, at least 0. It must not block. nil: nobody.
	Live   func(age time.Duration)
	Logger *slog.Logger // nil: silent
	Breaks Breaks       // for the simulation only
}

// Limits bound what a hub keeps and does at once. Zero values mean the defaults.
type Limits struct {
	TailRecords int // of a room: 500
	TailBytes   int // of a room's tail: 1 MiB; the frames of its records may double that
	IDs         int // messages in a room's memory of ids: 4,096
	Changes     int // other records in it, which time alone should forget: 262,144
	AheadSpans  int // that wait for a hole to be filled, per room: 32
	AheadBytes  int // of their records: 1 MiB
	OpenRooms   int // 20,000; one more is ErrOverloaded
	EmptyRooms  int // rooms that do not exist and are remembered for a few seconds: 1,024
	Opening     int // rooms that ask the history at once: 64
	Waiters     int // callers that wait for one room: 16,384
	Fills       int // replays that ask the history at once: 64
	PieceBytes  int // of a replay, between two looks at the socket: 64 KiB
	PieceFrames int // the same in frames: 50
}

func (l *Limits) fill() {
	for _, d := range []struct {
		p *int
		v int
	}{
		{&l.TailRecords, 500}, {&l.TailBytes, 1 << 20}, {&l.IDs, 4096}, {&l.Changes, 1 << 18}, {&l.AheadSpans, 32},
		{&l.AheadBytes, 1 << 20}, {&l.OpenRooms, 20_000}, {&l.EmptyRooms, 1024}, {&l.Opening, 64}, {&l.Waiters, 1 << 14},
		{&l.Fills, 64}, {&l.PieceBytes, 64 << 10}, {&l.PieceFrames, 50},
	} {
		if *d.p <= 0 {
			*d.p = d.v
		}
	}
}

// Times that are no promise of the design, and need no flag.
const (
	retryOpen  = 500 * time.Millisecond // between two tries to open a room while the history is unavailable
	retryFill  = 200 * time.Millisecond // between two tries of a replay to get its data
	retryLog   = 100 * time.Millisecond // after an error of the log; doubles up to maxRetry
	maxRetry   = time.Second
	tickEvery  = 250 * time.Millisecond
	emptyFor   = 5 * time.Second // a room that does not exist is remembered for so long after it was last asked for
	crowdedFor = 5 * time.Second // a room without readers stays so long when the hub is three quarters full
)

// Break names a rule that the simulation breaks on purpose, to show that its checker sees it (the model's mutants). None is ever set
// in production.
type Break string

// Breaks are the rules that are broken; nil: none.
type Breaks map[Break]bool

// The rules that a hub can break.
const (
	IgnoreFence        Break = "ignore-fence"         // deliver whatever comes
	NoPosition         Break = "no-position"          // do not drop what is at or below the position
	NoDigest           Break = "no-digest"            // digests are a sign of life and nothing else
	DigestPerPartition Break = "digest-per-partition" // whether a digest follows on the last one is asked per node, not per room
	NoFallback         Break = "no-fallback"          // never tail the log oneself
	NoDedupe           Break = "no-dedupe"            // do not look for copies
	ReplayCopies       Break = "replay-copies"        // do not hold what the history gives against the memory of ids
	ColdMemory         Break = "cold-memory"          // open a room without the ids of the last window
	ResumeAtOnce       Break = "resume-at-once"       // a resume does not wait until the room has come to its place
	ResumeUnasked      Break = "resume-unasked"       // a resume does not ask since when the user is a member
	JoinOverResume     Break = "join-over-resume"     // a second Attach does not wait for one that is under way
)
