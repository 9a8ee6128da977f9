package segment

import (
	"errors"
	"fmt"
	"time"
)

// writer is the committer's hold on the newest segment.
type writer struct {
	file   File
	header Header
	salt   uint32
	at     place // of the next record
	size   int64 // of the file, preallocated space included
	lastAt int64 // append time of the last record
	buf    []byte
}

// run is the committer: while one batch is synced, the next gathers in the queue.
func (l *Log) run() {
	defer close(l.stopped)
	for {
		batch, bytes := l.take()
		if len(batch) == 0 {
			return
		}
		entries, err := l.commit(batch, bytes)
		l.settle(batch, bytes, entries, err)
	}
}

// take waits for appends and takes as many as one sync may carry; none: the log is closing, or has failed.
func (l *Log) take() (batch []pending, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closing {
		l.work.Wait()
	}
	n := 0
	for n < len(l.queue) && n < l.opts.BatchRecords {
		size := len(l.queue[n].body) + frameSize
		if n > 0 && bytes+size > l.opts.BatchBytes {
			break
		}
		bytes += size
		n++
	}
	if n > 0 {
		l.since = time.Now()
	}
	batch = l.queue[:n:n]
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
	return batch, bytes
}

// commit makes a batch durable. Errors: ErrRefused when nothing was written; any other leaves the log in doubt and ends it.
func (l *Log) commit(batch []pending, bytes int) ([]Entry, error) {
	if l.opts.Reserve != nil {
		if err := l.opts.Reserve.Take(int64(bytes)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	if err := l.makeRoom(int64(bytes)); err != nil {
		if errors.Is(err, ErrNoSpace) {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return nil, err
	}
	w := &l.w
	entries, at := l.encode(batch)
	if err := writeAll(w.file, w.buf, w.at.pos); err != nil {
		return nil, fmt.Errorf("write to %s: %w", l.fileName(w.header.First), err)
	}
	if err := w.file.Sync(); err != nil {
		return nil, fmt.Errorf("sync %s: %w", l.fileName(w.header.First), err)
	}
	w.at = at
	return entries, nil
}

// encode puts a batch's bytes into the buffer and tells where the segment will then end.
func (l *Log) encode(batch []pending) ([]Entry, place) {
	w := &l.w
	at, first := w.at, w.at.index
	entries := make([]Entry, len(batch))
	w.buf = w.buf[:0]
	if now := l.opts.Now().UnixMilli(); now > w.lastAt {
		w.lastAt = now
	}
	for i, p := range batch {
		f := frame{index: at.index, batch: first, prev: at.crc, at: w.lastAt}
		w.buf, at.crc = appendRecord(w.buf, w.salt, f, p.body)
		entries[i] = Entry{Offset: w.header.First + int64(at.index), At: w.lastAt, CRC: at.crc, Body: p.body}
		at.index++
	}
	at.pos += int64(len(w.buf))
	return entries, at
}

// makeRoom sees to it that n more bytes fit into reserved space, in a new segment if this one is full.
func (l *Log) makeRoom(n int64) error {
	w := &l.w
	if w.at.pos+n > l.opts.SegmentBytes && w.at.index > 0 {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if w.at.pos+n <= w.size {
		return nil
	}
	size := max(min(w.size+l.opts.AllocBytes, l.opts.SegmentBytes), w.at.pos+n)
	if err := w.file.Resize(size); err != nil {
		return fmt.Errorf("reserve space in %s: %w", l.fileName(w.header.First), err)
	}
	w.size = size
	l.mu.Lock()
	l.segments[len(l.segments)-1].size = size
	l.mu.Unlock()
	return nil
}

// rotate begins a new segment; everything in the old one has been synced by now. ErrNoSpace: the old one still stands.
func (l *Log) rotate() error {
	w := &l.w
	h := w.header
	h.First, h.Seed = w.header.First+int64(w.at.index), w.at.crc
	file, size, err := l.create(h)
	if err != nil {
		return err
	}
	// The unused end of the old file is given back; should that fail or be lost, zeros stay behind, and do no harm.
	sealed := w.at.pos
	if err := errors.Join(w.file.Resize(sealed), w.file.Close()); err != nil {
		l.opts.Logger.Warn("could not cut a full log file to its length", "file", l.fileName(w.header.First), "err", err)
	}
	w.file, w.header, w.salt, w.at, w.size = file, h, h.salt(), h.start(), size
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments[len(l.segments)-1].size = sealed
	l.segments = append(l.segments, newSegmentFile(l.fileName(h.First), h, size))
	return nil
}

// create makes a segment durable, name and header, before it is used. After ErrNoSpace no trace of it is left.
func (l *Log) create(h Header) (File, int64, error) {
	name := l.fileName(h.First)
	size := max(headerSize, min(l.opts.AllocBytes, l.opts.SegmentBytes))
	file, _, err := l.opts.FS.Open(name, true)
	if err != nil {
		return nil, 0, fmt.Errorf("make %s: %w", name, err)
	}
	if err := file.Resize(size); err != nil {
		err = fmt.Errorf("reserve space in %s: %w", name, err)
		if gone := errors.Join(file.Close(), l.opts.FS.Remove(name)); gone != nil {
			return nil, 0, fmt.Errorf("%v; remove it again: %v", err, gone) // no longer ErrNoSpace: a trace is left
		}
		return nil, 0, err
	}
	if err := l.startFile(file, h); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("begin %s: %s", name, err.Error()), file.Close())
	}
	return file, size, nil
}

// startFile writes a segment's header and makes it and the file's name durable.
func (l *Log) startFile(file File, h Header) error {
	if err := writeAll(file, h.encode(), 0); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return l.opts.FS.SyncDir()
}

// settle tells readers and callers how a batch went, and ends the log where its files are in doubt.
func (l *Log) settle(batch []pending, bytes int, entries []Entry, err error) {
	acks := make([]ack, 0, len(batch))
	for i, p := range batch {
		k := ack{done: p.done, err: err}
		if err == nil {
			k.offset, k.at = entries[i].Offset, entries[i].At
		}
		acks = append(acks, k)
	}
	l.mu.Lock()
	was := l.full
	l.since = time.Time{}
	if l.err == nil { // else fail has counted them out
		l.waiting -= len(batch)
		l.bytes -= bytes - len(batch)*frameSize
	}
	switch {
	case err == nil:
		l.publish(entries, bytes)
		l.full = false
	case errors.Is(err, ErrRefused):
		l.stats.Refused += uint64(len(batch))
		l.full = was || errors.Is(err, ErrNoSpace)
	default:
		acks = l.fail(err, acks)
	}
	full := l.full
	l.mu.Unlock()
	l.acks.add(acks)
	switch {
	case full && !was:
		l.opts.Logger.Error("there is no space on the disk: the log takes no more until there is", "err", err)
	case was && !full:
		l.opts.Logger.Info("there is space on the disk again: the log goes on")
	}
}

// publish shows durable entries to readers. Needs mu.
func (l *Log) publish(entries []Entry, bytes int) {
	last := entries[len(entries)-1]
	l.end, l.tip = last.Offset+1, last.CRC
	l.recent.push(entries)
	l.segments[len(l.segments)-1].note(l.w.at)
	l.stats.Appended += uint64(len(entries))
	l.stats.Bytes += uint64(bytes - len(entries)*frameSize)
	l.stats.Syncs++
	close(l.changed)
	l.changed = make(chan struct{})
}

// fail ends the log: after a failed sync nobody knows what the disk holds, so nothing is acknowledged any more. Everything that waits is
// answered, in order. Needs mu.
func (l *Log) fail(err error, acks []ack) []ack {
	if l.err == nil {
		l.err = err
		close(l.failed)
	}
	for _, p := range l.queue {
		acks = append(acks, ack{done: p.done})
	}
	l.queue, l.waiting, l.bytes = nil, 0, 0
	unsure := fmt.Errorf("%w: %w", ErrUnsure, err)
	for i := range acks {
		acks[i].err = unsure
	}
	l.stats.Refused += uint64(len(acks))
	return acks
}
