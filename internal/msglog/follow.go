package msglog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// beat is how long a reader of a log in which nothing happens is left alone; he is promised a call each second.
const beat = 500 * time.Millisecond

// Tail implements chat.Log. The proof of a Mark is the chained CRC of the record there.
func (d *Disk) Tail(ctx context.Context, p int, after chat.Mark, f func(rs []chat.Record, upTo chat.Mark, atEnd bool) error) error {
	if p < 0 || p >= len(d.parts) {
		return d.noPartition(p)
	}
	at, err := d.stand(d.parts[p], after)
	if err != nil {
		return fmt.Errorf("read partition %d of the disk log from %d: %w", p, after.Seq, err)
	}
	return d.follow(ctx, d.parts[p], at, f)
}

// stance is where a reader stands: before the record at next, behind one with that CRC.
type stance struct {
	next int64
	crc  uint32
}

// mark gives a stance as readers see it.
func (d *Disk) mark(s stance) chat.Mark {
	return chat.Mark{Seq: d.seq(s.next) - 1, Proof: proofOf(s.crc)}
}

// proofOf makes a CRC a proof, which is never 0.
func proofOf(crc uint32) uint64 { return 1<<32 | uint64(crc) }

// stand finds the place behind a mark. A mark of an older generation lies before this one's first record.
func (d *Disk) stand(part *segment.Log, after chat.Mark) (stance, error) {
	next := after.Seq.Offset() + 1
	check := after.Proof != 0
	switch g := after.Seq.Generation(); {
	case after.Seq < 0 || g > d.generation:
		return stance{}, chat.ErrRewound
	case g < d.generation:
		next, check = 0, false
	}
	crc, err := part.CRC(next)
	if err != nil {
		return stance{}, readError(err)
	}
	if check && after.Proof != proofOf(crc) {
		return stance{}, chat.ErrRewound
	}
	return stance{next: next, crc: crc}, nil
}

// follow reads on from a stance until f errs, ctx ends, or the log is closed.
func (d *Disk) follow(ctx context.Context, part *segment.Log, at stance, f func([]chat.Record, chat.Mark, bool) error) error {
	idle := time.NewTimer(beat)
	defer idle.Stop()
	for due := true; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		rs, next, err := d.read(part, at)
		if err != nil {
			return fmt.Errorf("read the disk log at %d: %w", d.seq(at.next), err)
		}
		at = next
		_, end, _, changed := part.State()
		if len(rs) > 0 || due {
			if err := f(rs, d.mark(at), at.next == end); err != nil {
				return err
			}
			idle.Reset(beat)
			due = false
		}
		if at.next < end {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		case <-d.closing:
			return fmt.Errorf("read the disk log: %w: %w", chat.ErrUnavailable, segment.ErrClosed)
		case <-idle.C:
			due = true
		}
	}
}

// read gives the next records, none at the end, and the stance behind them.
func (d *Disk) read(part *segment.Log, at stance) ([]chat.Record, stance, error) {
	es, err := part.Read(at.next, chat.MaxBatch, chat.MaxBatchBytes)
	if err != nil {
		return nil, at, readError(err)
	}
	if len(es) == 0 {
		return nil, at, nil
	}
	rs := make([]chat.Record, 0, len(es))
	for i, e := range es {
		r, err := chat.ParseRecord(e.Body)
		switch {
		case errors.Is(err, chat.ErrNewer) && i > 0: // those before it go out first
			last := es[i-1]
			return rs, stance{next: last.Offset + 1, crc: last.CRC}, nil
		case errors.Is(err, chat.ErrNewer):
			return nil, at, d.halt(e.Offset, err)
		case err != nil:
			d.passOver(e.Offset, err)
			continue
		}
		r.Seq, r.At = d.seq(e.Offset), e.At
		rs = append(rs, r)
	}
	last := es[len(es)-1]
	return rs, stance{next: last.Offset + 1, crc: last.CRC}, nil
}

// halt stops this process in front of what a newer hubbub wrote: it was acknowledged to somebody. Nothing behind it is read or written.
func (d *Disk) halt(offset int64, err error) error {
	err = fmt.Errorf("the log holds what this version can not read, at %d: %w; run that version, nothing behind it is read or written by this one",
		d.seq(offset), err)
	if d.newer.CompareAndSwap(nil, &err) {
		d.log.Error("the log stops here", "error", err)
	}
	return fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
}

// halted gives why this process goes no further, or nil.
func (d *Disk) halted() error {
	if err := d.newer.Load(); err != nil {
		return fmt.Errorf("%w: %w", chat.ErrUnavailable, *err)
	}
	return nil
}

// passOver leaves out what no hubbub wrote: it belongs to no room, and nobody was promised anything.
func (d *Disk) passOver(offset int64, err error) {
	if d.foreign.Add(1) == 1 {
		d.log.Warn("the log holds a record that no hubbub wrote; it and others like it are passed over", "seq", d.seq(offset), "error", err)
	}
}

// readError gives the port's word for why something can not be read.
func readError(err error) error {
	switch {
	case errors.Is(err, segment.ErrTrimmed):
		return chat.ErrTrimmed
	case errors.Is(err, segment.ErrBeyond):
		return chat.ErrRewound
	case errors.Is(err, segment.ErrClosed):
		return fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
	}
	return err
}
