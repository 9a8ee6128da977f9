package msglog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// Options of the disk log. Dir is needed, or FS and Volume.
type Options struct {
	Dir          string
	Partitions   int   // fixed for the log's life; 1
	SegmentBytes int64 // 64 MiB
	ReserveBytes int64 // of the disk kept free of the log: 256 MiB; below 0: none
	CacheBytes   int   // recent records kept in memory, all partitions together; 32 MiB
	QueueRecords int   // appends that may wait, in each partition; 16,384
	QueueBytes   int   // 64 MiB
	Logger       *slog.Logger

	FS     segment.FS     // nil: the real one in Dir
	Volume segment.Volume // nil: the real one around Dir
}

const (
	maxPartitions  = 1024
	defaultReserve = 256 << 20
	defaultCache   = 32 << 20
	minCache       = 64 << 10 // of a partition
)

// Disk is chat.Log in a directory of this machine, for one process. Safe for concurrent use.
type Disk struct {
	id         string
	generation int
	parts      []*segment.Log
	reserve    *segment.Reserve
	log        *slog.Logger
	unlock     func() error

	newer   atomic.Pointer[error] // why this process goes no further
	foreign atomic.Uint64         // records passed over, each time that they are read

	groups  groups
	failing sync.Once
	failed  chan struct{} // closed when a partition has failed
	err     error         // why; read it after failed
	ending  sync.Once
	closing chan struct{}
	closed  error // of Close; read it after ending
}

var _ chat.Log = (*Disk)(nil)

// Open opens the log, or makes it, and takes the directory for this process. The errors are sentences for the operator: *segment.LockedError,
// *segment.FormatError, *segment.IdentityError (another count of partitions), *segment.DamageError, or what the disk says.
func Open(o Options) (*Disk, error) {
	if o.Partitions == 0 {
		o.Partitions = 1
	}
	if o.Partitions < 1 || o.Partitions > maxPartitions {
		return nil, fmt.Errorf("open the disk log: a partition count of %d is not between 1 and %d", o.Partitions, maxPartitions)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil || o.Volume == nil {
		dir, err := segment.OpenDir(o.Dir)
		if err != nil {
			return nil, err
		}
		o.FS, o.Volume = dir, dir
	}
	unlock, err := o.Volume.Lock()
	if err != nil {
		return nil, err
	}
	d, err := openLocked(o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the disk log in %q: %w", o.Dir, err), unlock())
	}
	d.unlock = unlock
	for _, part := range d.parts {
		go d.watch(part)
	}
	return d, nil
}

func openLocked(o Options) (*Disk, error) {
	m, err := segment.EnsureManifest(o.FS, o.Partitions)
	if err != nil {
		return nil, err
	}
	id, err := m.LogID()
	if err != nil {
		return nil, err
	}
	if m.Generation > chat.MaxGeneration {
		return nil, &segment.IdentityError{Reason: fmt.Sprintf("the log says generation %d, but the highest is %d", m.Generation, chat.MaxGeneration)}
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = defaultReserve
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCache
	}
	d := &Disk{id: m.ID, generation: m.Generation, log: o.Logger, failed: make(chan struct{}), closing: make(chan struct{})}
	d.reserve = segment.NewReserve(o.Volume, o.ReserveBytes, o.Logger)
	d.groups.init(d)
	for p := range m.Partitions {
		part, err := segment.Open(segment.Options{FS: o.FS, Log: id, Generation: m.Generation, Partition: p, SegmentBytes: o.SegmentBytes,
			QueueRecords: o.QueueRecords, QueueBytes: o.QueueBytes, CacheBytes: max(minCache, o.CacheBytes/m.Partitions),
			Reserve: d.reserve, Logger: o.Logger})
		if err != nil {
			return nil, errors.Join(err, d.closeParts())
		}
		d.parts = append(d.parts, part)
	}
	return d, nil
}

// watch fails the whole log when one partition fails: they share a disk.
func (d *Disk) watch(part *segment.Log) {
	select {
	case <-d.closing:
	case <-d.failed:
	case <-part.Failed():
		d.failing.Do(func() {
			d.err = part.Err()
			close(d.failed)
			for _, other := range d.parts {
				other.Fail(d.err)
			}
		})
	}
}

// Run returns nil when ctx ends, and an error when the disk has failed: nothing is acknowledged then any more, and the process should exit,
// for only a fresh start can tell what the disk holds. The log works from Open to Close, whether Run runs or not.
func (d *Disk) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-d.closing:
		return nil
	case <-d.failed:
		return fmt.Errorf("the disk log has failed and acknowledges nothing any more: %w", d.err)
	}
}

// Failed is closed when the disk has failed; see Run.
func (d *Disk) Failed() <-chan struct{} { return d.failed }

// Close ends Join and Tail, makes durable what waits, runs every done, and gives the directory back. Not to be called from a done or a Handler.
func (d *Disk) Close() error {
	d.ending.Do(func() {
		close(d.closing)
		d.groups.wait()
		d.closed = errors.Join(d.closeParts(), d.unlock())
	})
	return d.closed
}

func (d *Disk) closeParts() error {
	var errs []error
	for _, part := range d.parts {
		errs = append(errs, part.Close())
	}
	return errors.Join(errs...)
}

// Append implements chat.Log. A record whose encoding is above chat.MaxRecordSize is refused as too_large.
func (d *Disk) Append(r chat.Record, done func(chat.Seq, error)) {
	part := d.parts[chat.PartitionOf(r.Room, len(d.parts))]
	body := chat.AppendRecord(make([]byte, 0, r.Size()), r)
	answer := func(offset, _ int64, err error) {
		if err != nil {
			done(0, appendError(err))
			return
		}
		done(chat.MakeSeq(d.generation, offset), nil)
	}
	if len(body) > chat.MaxRecordSize {
		part.Refuse(chat.Errorf(chat.CodeTooLarge, "a record of %d bytes is above the limit of %d", len(body), chat.MaxRecordSize), answer)
		return
	}
	if err := d.halted(); err != nil {
		part.Refuse(fmt.Errorf("%w: %w", segment.ErrRefused, err), answer)
		return
	}
	part.Append(body, answer)
}

// appendError gives the port's word for what became of an append.
func appendError(err error) error {
	switch {
	case errors.Is(err, segment.ErrFull):
		return fmt.Errorf("append to the disk log: %w: %w", chat.ErrOverloaded, err)
	case errors.Is(err, segment.ErrRefused):
		return fmt.Errorf("append to the disk log: %w: %w", chat.ErrUnavailable, err)
	case errors.Is(err, segment.ErrUnsure):
		return fmt.Errorf("append to the disk log: %w: %w", chat.ErrUnknown, err)
	}
	return err
}

// Info implements chat.Log.
func (d *Disk) Info(ctx context.Context) (chat.LogInfo, error) {
	info := chat.LogInfo{ID: d.id, Generation: d.generation}
	if err := errors.Join(ctx.Err(), d.halted()); err != nil {
		return info, err
	}
	for _, part := range d.parts {
		first, end, _, _ := part.State()
		info.Partitions = append(info.Partitions, chat.Partition{First: d.seq(first), Last: d.seq(end) - 1})
	}
	return info, nil
}

// Trim implements chat.Log: it forgets whole segments.
func (d *Disk) Trim(ctx context.Context, p int, through chat.Seq) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p < 0 || p >= len(d.parts) {
		return d.noPartition(p)
	}
	offset := through.Offset()
	switch g := through.Generation(); {
	case g < d.generation:
		return nil
	case g > d.generation:
		return fmt.Errorf("trim the disk log through %d: %w", through, chat.ErrRewound)
	}
	if err := d.parts[p].Trim(offset); err != nil {
		if errors.Is(err, segment.ErrClosed) {
			err = fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
		}
		return fmt.Errorf("trim the disk log: %w", err)
	}
	return nil
}

func (d *Disk) seq(offset int64) chat.Seq { return chat.MakeSeq(d.generation, offset) }

func (d *Disk) noPartition(p int) error {
	return chat.Errorf(chat.CodeInvalid, "the log has no partition %d, only %d", p, len(d.parts))
}

// Stats are the log's numbers for /metrics, all partitions together, since Open.
type Stats struct {
	Appended  uint64 // records made durable
	Bytes     uint64 // of them
	Syncs     uint64
	Refused   uint64 // appends answered with an error
	Queue     int    // appends waiting now
	Segments  int
	DiskBytes int64 // of all segments
	Full      bool  // the reserve of free disk is reached, or there is no space: appends are refused
	Stalled   bool  // the disk does not answer
	Failed    bool  // for good
}

// Stats gives the numbers of now.
func (d *Disk) Stats() Stats {
	s := Stats{Full: d.reserve.Refusing()}
	for _, part := range d.parts {
		n := part.Stats()
		s.Appended += n.Appended
		s.Bytes += n.Bytes
		s.Syncs += n.Syncs
		s.Refused += n.Refused
		s.Queue += n.Queue
		s.Segments += n.Segments
		s.DiskBytes += n.DiskBytes
		s.Full = s.Full || n.Full
		s.Stalled = s.Stalled || n.Stalled
		s.Failed = s.Failed || n.Failed
	}
	return s
}
