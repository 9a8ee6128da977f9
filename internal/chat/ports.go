package chat

import (
	"context"
	"strconv"
	"time"
)

// Mark is a place in a partition, exclusive: what lies at or below Seq has been read. Proof (Kafka: leader epoch; disk: chained CRC;
// 0: unchecked) exposes a log that went back.
type Mark struct {
	Seq   Seq
	Proof uint64
}

// Partition tells how far a partition reaches: records with First ≤ seq ≤ Last may be there. Last < First: it is empty.
type Partition struct{ First, Last Seq }

// LogInfo names a log and tells how far it reaches.
type LogInfo struct {
	ID         string // never the same for two logs
	Generation int
	Partitions []Partition
}

// Log is the truth: msglog/disk, msglog/kafka. Safe for concurrent use. Twins are equal: msglog/logtest pins what follows.
type Log interface {
	// Append returns at once; done runs exactly once and must not block. nil: durable (seq 0: the broker did not tell the place);
	// ErrOverloaded, ErrUnavailable: never written; ErrUnknown: perhaps written. Appends of one caller to one room keep their order.
	Append(r Record, done func(Seq, error))
	// Join shares the partitions among all callers of group, on all nodes, until ctx ends; then it returns nil. Errors: ErrTrimmed or
	// ErrRewound if a Mark of Begin can not be followed, ErrUnavailable if the log is closed.
	Join(ctx context.Context, group string, h Handler) error
	// Tail follows partition p from after, without a group, until f errs or ctx ends, and returns that error. f gets what
	// Handler.Records gets. ErrTrimmed: the log begins behind after+1; ErrRewound: after.Proof does not match.
	Tail(ctx context.Context, p int, after Mark, f func(rs []Record, upTo Mark, atEnd bool) error) error
	// Info gives identity, generation, and each partition's first and last place.
	Info(ctx context.Context) (LogInfo, error)
	// Trim may forget what lies at or below through, never beyond.
	Trim(ctx context.Context, p int, through Seq) error
}

// MaxBatch and MaxBatchBytes are the most that a reader of a log gets at once; one record he gets in any case.
const (
	MaxBatch      = 4000 // records
	MaxBatchBytes = 8 << 20
)

// Handler reads a group's partitions: relay, persist. Calls are serial per partition, concurrent between partitions.
type Handler interface {
	// Begin says where to read on; an error is retried with back-off (that is how an unreadable W fetches nothing).
	Begin(ctx context.Context, p int) (Mark, error)
	// Records owns rs (at most MaxBatch) until it returns. upTo: how far p has been read, also over offsets that hold nothing;
	// atEnd: that was the end. Called at least once a second while the log can be read, with no records if there are none.
	// Blocking is the pause, returning is the commit; ctx ends when p is taken back.
	Records(ctx context.Context, p int, rs []Record, upTo Mark, atEnd bool)
	// End is the last call for p.
	End(p int)
}

// Channel names a stream of notes on the bus.
type Channel string

// RoomChannel carries a room's spans and whispers.
func RoomChannel(room RoomID) Channel { return Channel("room:" + string(room)) }

// DigestChannel carries the digests of partition p.
func DigestChannel(p int) Channel { return Channel("digest:" + strconv.Itoa(p)) }

// UserChannel carries whispers to all sockets of a user.
func UserChannel(u UserID) Channel { return Channel("user:" + string(u)) }

// Note is one thing published: Data is an encoded Span, Digest or Whisper.
type Note struct {
	Partition int // whose slot the channel lies in (for a user: that of PartitionOf(RoomID(user)))
	Channel   Channel
	Data      []byte
}

// Bus carries live events between nodes: bus/memory, bus/redis. It may lose, repeat, delay and reorder; it never alters.
type Bus interface {
	// Publish hands over within 1 s; after an error some may have arrived. Never retried: the next digest tells. Who publishes must
	// not change Data afterwards, who receives must not at all.
	Publish(ctx context.Context, ns []Note) error
	// Subscribe calls f serially (it must not block) and outlives reconnects; stop waits for a running f.
	Subscribe(ch Channel, f func(data []byte)) (stop func())
	// Ping answers within 1 s.
	Ping(ctx context.Context) error
}

// Change is what the persister wants saved of one record, folded: the row, and what it does to the room and to a membership. The row
// is written unless its id has one; Room and Member take effect only where the id's row is at this very seq (a copy changes nothing).
type Change struct {
	Row    Record
	Room   *Record // the record itself if it changes the room (create, update); apply with RoomChange, guarded by Rev
	Member *Member // see MembershipChange; guarded by Rev, and by the rules of View.Fold
}

// ArchiveState is the store's own name, and what it remembers of the log: its identity (ID empty: none yet) and W of every partition.
type ArchiveState struct {
	Store string  // made once and kept in the store, never the same for two: letters, digits, - and _, at most 47 bytes
	Log   LogInfo // ID, Generation and the number of partitions; their places are not kept
	W     []Mark
}

// Unstorable is the error of Save when the store answers but can never hold a change.
type Unstorable struct {
	Index  int // of the change, -1: it could not be told which
	Reason string
}

func (u *Unstorable) Error() string { return "the store can never hold a record: " + u.Reason }

// Archive is the persister's side of a store: store/sqlite, store/mongo.
type Archive interface {
	// State gives the remembered identity of the log, and W of every partition.
	State(ctx context.Context) (ArchiveState, error)
	// Save applies changes (in log order, each id once) idempotently, then raises W of p to w if that is higher; or returns
	// *Unstorable, naming the change, with nothing of the batch promised. ErrStoreFailed: no change's fault.
	Save(ctx context.Context, p int, cs []Change, w Mark) error
	// Bury keeps a dead record's bytes and the reason.
	Bury(ctx context.Context, r Record, reason string) error
	// Adopt remembers a log's identity: at the first start and for `hubbub log next` only.
	Adopt(ctx context.Context, l LogInfo) error
}

// Range asks for part of a room's rows, by seq. Exactly one of the three places is used, Before when all are 0 (0: from the newest).
type Range struct {
	Before Seq  // rows below it, the newest of them
	After  Seq  // rows above it, the oldest of them (AfterStart asks for those from the very first on)
	Around Seq  // half of them at or below it, half above
	All    bool // every kind of row; else only messages and tombstones
	Bytes  int  // of rows that are enough: what has as many may end there, with HasMore (or Newer) set; 0: only the limit counts
}

// Enough says whether rows of so many bytes are all that is wanted.
func (r Range) Enough(bytes int) bool { return r.Bytes > 0 && bytes >= r.Bytes }

// AfterStart is Range.After for "from the room's first row on".
const AfterStart Seq = -1

// Gap says that what lies in (From, To] of a room is not in an answer.
type Gap struct {
	Room     RoomID
	From, To Seq
	Reason   GapReason
}

// GapReason says why something is left out.
type GapReason string

// The reasons of a gap.
const (
	GapLimit       GapReason = "limit"       // too much to send
	GapTrimmed     GapReason = "trimmed"     // no longer kept
	GapUnavailable GapReason = "unavailable" // cannot be read right now
	GapNotFound    GapReason = "not_found"   // not a member then
	GapReset       GapReason = "reset"       // the log is another one
)

// Page is a contiguous run of rows in seq order, or says where it is not.
type Page struct {
	Rows    []Record
	HasMore bool // in the direction that was asked for (Around: older)
	Newer   bool // Around and Before: there is more above the last row
	AsOf    Seq  // how far the answer knows the room
	Gap     *Gap // what was wanted and is missing
}

// Messages is the reading side of a store. Every answer carries AsOf = W, read before the rows; rows above it are not given.
type Messages interface {
	// Page gives at most limit rows in seq order.
	Page(ctx context.Context, room RoomID, r Range, limit int) (Page, error)
	// Changed gives each item that changed after a place once, in its current form, in the order of its place: its seq if that is above
	// after, else its rev. HasMore: there is more.
	Changed(ctx context.Context, room RoomID, after Seq, limit int) (Page, error)
	// ByID gives the row with that id, or ErrNotFound.
	ByID(ctx context.Context, room RoomID, id MessageID) (Record, error)
	// Seqs gives the seq of each of ids that has a row in the room, above W too. At most 10,000 ids.
	Seqs(ctx context.Context, room RoomID, ids []MessageID) (map[MessageID]Seq, error)
}

// Cursor is an opaque page token; empty: from the first, or no further page.
type Cursor string

// RoomQuery asks for rooms: public ones, and those to which Asker belongs or is invited.
type RoomQuery struct {
	Asker UserID
	Text  string // case-insensitive part of the name; empty: all
	Limit int
}

// Directory is the store's side of rooms and members.
type Directory interface {
	// Room gives the room as of the store, and W as read before it; or ErrNotFound.
	Room(ctx context.Context, id RoomID) (Room, Seq, error)
	// List gives rooms by name, then id.
	List(ctx context.Context, q RoomQuery, c Cursor) ([]Room, Cursor, error)
	// Members gives a room's members and invited (StateJoined, StateInvited), by user id, limit at most.
	Members(ctx context.Context, room RoomID, c Cursor, limit int) ([]Member, Cursor, error)
	// RoomsOf gives u's memberships and invitations, by room id, limit at most, with their rooms.
	RoomsOf(ctx context.Context, u UserID, c Cursor, limit int) ([]Membership, Cursor, error)
}

// Membership is a member with his room.
type Membership struct {
	Member Member
	Room   Room
}

// Here says who of a node is in a room.
type Here struct {
	Room  RoomID
	Node  string
	Users []User // at most 200, by id; nil above that
	Count int    // of users
}

// Presence is one node's handle on who is here: presence/memory, presence/redis. Safe for concurrent use.
type Presence interface {
	// Put replaces this node's entry of a room; Count 0 removes it.
	Put(ctx context.Context, h Here) error
	// Union gives the entries of all living nodes.
	Union(ctx context.Context, rooms []RoomID) ([]Here, error)
	// Beat says that this node lives, for 7 s; forgotten: Put everything again.
	Beat(ctx context.Context) (alive []string, forgotten bool, err error)
}

// Receipt is what is remembered of a record by its id.
type Receipt struct {
	ID   MessageID
	Seq  Seq // 0: not known
	Sent int64
	Sum  uint64
}

// Frame is a room's event as the edge encoded it, shared by every socket. Only the edge looks into Wire.
type Frame struct {
	Room RoomID
	Seq  Seq // the place after which the reader's `since` stands; 0: ephemeral
	Size int // bytes
	Wire any
}

// Encoder makes frames; gateway. Safe for concurrent use.
type Encoder interface {
	Record(r Record) Frame
	Gap(g Gap) Frame
	Whisper(room RoomID, w Whisper) Frame
}

// Listener is one subscription of a socket to a room; gateway. Methods must not call back into Rooms.
type Listener interface {
	// Deliver queues shared bytes or closes the socket; it never blocks.
	Deliver(f Frame)
	// Ready waits until the socket has taken most of what it was given; an error ends the replay. Called between the pieces of a replay.
	Ready(ctx context.Context) error
	// Ended says that nothing more comes: the membership ended (not_found), or the room had to be closed (unavailable; the socket
	// is then closed, comes back and resumes).
	Ended(room RoomID, why Code)
}

// AttachHead as `after` attaches at the room's present position, without a replay.
const AttachHead Seq = -1

// Attached tells how a resume went: the position at which live delivery began, and the view there.
type Attached struct {
	AsOf Seq
	View *View
	Gaps int // how many gaps were delivered; 0: the range was filled
}

// Rooms are this node's open rooms, asked by chat and gateway; hub.
type Rooms interface {
	// View opens the room if need be, waits until it stands at atLeast, and gives its view and position. A room that does not exist is
	// ErrNotFound; one that cannot be opened within ctx is ErrUnavailable.
	View(ctx context.Context, room RoomID, atLeast Seq) (*View, Seq, error)
	// Seen gives a recent record's receipt from an open room's memory of ids.
	Seen(room RoomID, id MessageID) (Receipt, bool)
	// Attach is the resume of one room: waits until the room stands at after, asks the view (no member: ErrNotFound), replays
	// (after, position] and subscribes in one step; then live, until Detach or the record that ends u's membership, delivered last.
	Attach(ctx context.Context, room RoomID, u User, after Seq, l Listener) (Attached, error)
	// Detach returns after the last Deliver.
	Detach(room RoomID, l Listener)
	// Page gives rows of a room: the tail laid over History.
	Page(ctx context.Context, room RoomID, r Range, limit int) (Page, error)
}

// Opening is what a hub needs to open a room: the view and the newest rows (of all kinds, oldest first) as of AsOf.
type Opening struct {
	View *View
	Rows []Record
	All  bool // Rows hold every row of the room through AsOf
	AsOf Mark
}

// History is the store up to W, then the log; it never asks a tail.
type History interface {
	// Open gives the view at W and the newest rows: at least the last 500 and those of the last ten minutes of log. A room that the
	// store does not know gives an empty view: it may lie above W.
	Open(ctx context.Context, room RoomID) (Opening, error)
	// Fill gives for a replay what changed in (after, through]: of more than 1,000 items a gap, then the newest 100.
	Fill(ctx context.Context, room RoomID, after, through Seq) (Page, error)
	Page(ctx context.Context, room RoomID, r Range, limit int) (Page, error)
	// ByID gives the record with that id, from the store or from the log above W; or ErrNotFound.
	ByID(ctx context.Context, room RoomID, id MessageID) (Record, error)
	// RoomsOf gives u's memberships and invitations, including those above W.
	RoomsOf(ctx context.Context, u UserID, c Cursor, limit int) ([]Membership, Cursor, error)
}

// The design's times (DESIGN.md §4), as one value so that a simulation can scale them.
type Times struct {
	Window     time.Duration // of log in which live shows an id once: 10 min
	Patience   time.Duration // changes of membership older than this are refused: 4 min
	Young      time.Duration // clientIds younger than this are not looked up: 60 s
	Digest     time.Duration // 1 s
	Silence    time.Duration // without a digest for so long a node tails itself: 3 s
	Resume     time.Duration // what a resume cannot have by then is a gap: 2 s
	HoldOff    time.Duration // before a hole is filled: 50 ms
	Wait       time.Duration // for an append's answer: 5 s, then unknown
	Idle       time.Duration // a room without readers closes after: 2 min
	Lookup     time.Duration // of an id in the store: 250 ms
	KeepBehind time.Duration // of log kept behind W: 7 days
}

// DefaultTimes are those of the design.
func DefaultTimes() Times {
	return Times{Window: 10 * time.Minute, Patience: 4 * time.Minute, Young: time.Minute, Digest: time.Second, Silence: 3 * time.Second,
		Resume: 2 * time.Second, HoldOff: 50 * time.Millisecond, Wait: 5 * time.Second, Idle: 2 * time.Minute,
		Lookup: 250 * time.Millisecond, KeepBehind: 7 * 24 * time.Hour}
}
