package segment

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options of a partition. FS, Log and Generation are needed, everything else has a default.
type Options struct {
	FS         FS
	Log        ID
	Generation int
	Partition  int

	SegmentBytes int64 // a segment is closed when the next batch would go beyond; 64 MiB
	AllocBytes   int64 // space is reserved in steps of; 4 MiB
	BatchRecords int   // most records of one sync; 8,192
	BatchBytes   int   // most bytes of one sync; 4 MiB
	QueueRecords int   // most records that wait, the running batch among them; 16,384
	QueueBytes   int   // most bytes that wait; 64 MiB
	CacheBytes   int   // recent bodies kept in memory; 16 MiB
	ScanBytes    int64 // of the newest segments, checked at Open (two segments at least); older ones are when read; 1 GiB

	Stall   time.Duration // appends are refused while a batch has been under way for longer; 5 s
	Reserve *Reserve      // nil: none
	Logger  *slog.Logger
	Now     func() time.Time
}

func (o *Options) defaults() {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set64 := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	set64(&o.SegmentBytes, 64<<20)
	set64(&o.AllocBytes, 4<<20)
	set64(&o.ScanBytes, 1<<30)
	set(&o.BatchRecords, 8192)
	set(&o.BatchBytes, 4<<20)
	set(&o.QueueRecords, 16384)
	set(&o.QueueBytes, 64<<20)
	set(&o.CacheBytes, 16<<20)
	if o.Stall <= 0 {
		o.Stall = 5 * time.Second
	}
	// A segment counts its bytes and records in 32 bits.
	o.SegmentBytes = min(o.SegmentBytes, 1<<30)
	o.BatchBytes = int(min(int64(o.BatchBytes), o.SegmentBytes))
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Entry is a record as readers get it. Nobody changes the Body.
type Entry struct {
	Offset int64
	At     int64  // append time, ms since 1970; never less than the one before
	CRC    uint32 // chained: a proof of this record and all before it
	Body   []byte
}

// segmentFile is what is known of a file.
type segmentFile struct {
	name    string
	header  Header
	index   []place // one about every indexStep bytes; nil: not scanned yet
	indexed int64   // position up to which index reaches
	size    int64   // of the file when it was opened or sealed
}

// pending is an append on its way.
type pending struct {
	body []byte
	done func(offset, at int64, err error)
}

// Log is one partition. Safe for concurrent use.
type Log struct {
	opts Options
	acks *acker
	w    writer // of the committer alone

	mu       sync.Mutex
	work     *sync.Cond // the queue has grown, or the log is closing
	queue    []pending
	waiting  int       // records in the queue and in the running batch
	bytes    int       // of those
	since    time.Time // when the running batch was taken; zero: none runs
	closing  bool
	err      error // why the log failed, for good
	full     bool  // there was no space for the last batch
	segments []*segmentFile
	doomed   []string      // trimmed files not surely gone
	end      int64         // the offset of the next record to become durable
	tip      uint32        // CRC of the record before end
	recent   recent        // the newest entries, ending at end
	changed  chan struct{} // closed and replaced when end moves
	stats    Stats

	trimming sync.Mutex
	failed   chan struct{} // closed when err is set
	stopped  chan struct{} // closed when the committer has ended
}

// Stats are counters since Open, and gauges.
type Stats struct {
	Appended  uint64 // records made durable
	Bytes     uint64 // of their bodies
	Syncs     uint64 // of data
	Refused   uint64 // appends answered with an error
	Queue     int    // records waiting
	Segments  int
	First     int64 // offset of the first record kept
	End       int64 // offset of the next record
	DiskBytes int64 // of all segment files
	Failed    bool
	Stalled   bool // a batch has been under way for too long; appends are refused
	Full      bool // there was no space for the last batch, which was refused
}

// Append returns at once. done is called once, by a goroutine that holds no lock, in the order of the appends for those that become durable;
// it must not block. Errors: ErrFull, ErrRefused (never written), ErrUnsure. The body must not be changed any more, and have 1 to MaxBody bytes.
func (l *Log) Append(body []byte, done func(offset, at int64, err error)) {
	if err := l.enqueue(pending{body: body, done: done}); err != nil {
		l.Refuse(err, done)
	}
}

// Refuse answers done with err in the way Append would.
func (l *Log) Refuse(err error, done func(offset, at int64, err error)) {
	l.mu.Lock()
	l.stats.Refused++
	l.mu.Unlock()
	l.acks.add([]ack{{done: done, err: err}})
}

func (l *Log) enqueue(p pending) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(p.body) == 0 || len(p.body) > MaxBody:
		return fmt.Errorf("%w: a body of %d bytes", ErrRefused, len(p.body))
	case l.closing:
		return fmt.Errorf("%w: it is closing", ErrRefused)
	case l.err != nil:
		return fmt.Errorf("%w: it has failed: %w", ErrRefused, l.err)
	case l.stalled():
		return fmt.Errorf("%w: the disk has not answered for %s", ErrRefused, l.opts.Stall)
	case l.waiting >= l.opts.QueueRecords || l.bytes+len(p.body) > l.opts.QueueBytes && l.waiting > 0:
		return ErrFull
	}
	l.queue = append(l.queue, p)
	l.waiting++
	l.bytes += len(p.body)
	l.work.Signal()
	return nil
}

// stalled tells whether the running batch takes too long. Needs mu.
func (l *Log) stalled() bool {
	return !l.since.IsZero() && time.Since(l.since) > l.opts.Stall
}

// Fail ends the log from outside, as a failed sync does from within: a directory fails as a whole.
func (l *Log) Fail(err error) {
	l.mu.Lock()
	var acks []ack
	if l.err == nil {
		acks = l.fail(err, nil)
	}
	l.mu.Unlock()
	l.acks.add(acks)
}

// Failed is closed when a write or sync has failed: nothing is acknowledged any more, and the process should end. Err tells why.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err gives why the log failed, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// State gives the first offset kept, the one behind the last, the CRC there, and a channel that is closed when the log grows or closes.
func (l *Log) State() (first, end int64, tip uint32, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments[0].header.First, l.end, l.tip, l.changed
}

// Stats gives counters and gauges.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Queue, s.Segments, s.First, s.End, s.Failed = l.waiting, len(l.segments), l.segments[0].header.First, l.end, l.err != nil
	s.Stalled, s.Full = l.stalled(), l.full
	for _, f := range l.segments {
		s.DiskBytes += f.size
	}
	return s
}

// Close takes no more appends, makes what waits durable, runs every done, and closes the file. Not to be called from a done.
func (l *Log) Close() error {
	l.mu.Lock()
	again := l.closing
	l.closing = true
	l.work.Broadcast()
	l.mu.Unlock()
	<-l.stopped
	l.acks.close()
	if again {
		return nil
	}
	l.mu.Lock()
	close(l.changed)
	l.changed = nil
	l.mu.Unlock()
	return l.w.file.Close()
}
