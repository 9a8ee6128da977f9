package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mongoState is what the collection `state` says.
type mongoState struct {
	name   string
	schema int
	log    chat.LogInfo
	marks  map[int]chat.Mark
}

// w gives W of a partition. A log begins behind what an older generation held.
func (st *mongoState) w(p int) chat.Mark {
	floor := chat.Mark{Seq: chat.MakeSeq(st.log.Generation, 0) - 1}
	if m := st.marks[p]; m.Seq > floor.Seq {
		return m
	}
	return floor
}

// readState reads all of it, or what concerns the given partitions. In the order in which documents came: whoever removes a mark has
// added a higher one before, which is then still ahead of the reader.
func (s *Mongo) readState(ctx context.Context, ps ...int) (*mongoState, error) {
	filter := bson.D{}
	if len(ps) > 0 {
		filter = bson.D{{Key: "p", Value: bson.D{{Key: "$in", Value: append(ps, stateLog, stateStore)}}}}
	}
	c, err := s.state.Find(ctx, filter)
	docs, err := all[stateDoc](ctx, c, err)
	if err != nil {
		return nil, err
	}
	st := &mongoState{marks: map[int]chat.Mark{}}
	for _, d := range docs {
		switch {
		case d.P == stateStore:
			st.name, st.schema = d.Name, d.Schema
		case d.P == stateLog && d.Generation > st.log.Generation:
			st.log = chat.LogInfo{ID: d.Name, Generation: d.Generation, Partitions: make([]chat.Partition, d.Partitions)}
		case d.P >= 0 && chat.Seq(d.Seq) > st.marks[d.P].Seq:
			st.marks[d.P] = chat.Mark{Seq: chat.Seq(d.Seq), Proof: uint64(d.Proof)}
		}
	}
	s.count.Store(int64(len(st.log.Partitions)))
	return st, nil
}

// watermark gives W of the room's partition; 0 as long as no log is remembered.
func (s *Mongo) watermark(ctx context.Context, room chat.RoomID) (chat.Seq, error) {
	for {
		n := int(s.count.Load())
		p := chat.PartitionOf(room, n)
		st, err := s.readState(ctx, p)
		if err != nil {
			return 0, err
		}
		switch len(st.log.Partitions) {
		case 0:
			return 0, nil
		case n:
			return st.w(p).Seq, nil
		}
	}
}

// State implements chat.Archive.
func (s *Mongo) State(ctx context.Context) (chat.ArchiveState, error) {
	var out chat.ArchiveState
	err := s.call(ctx, "read the state", func(ctx context.Context) error {
		st, err := s.readState(ctx)
		if err != nil {
			return err
		}
		out = chat.ArchiveState{Store: st.name, Log: st.log}
		for p := range st.log.Partitions {
			out.W = append(out.W, st.w(p))
		}
		return nil
	})
	return out, err
}

// Adopt implements chat.Archive. It is one insert: W of every partition begins where the generation does. Of several at once the first
// wins, and the others are told whether it is theirs.
func (s *Mongo) Adopt(ctx context.Context, l chat.LogInfo) error {
	if err := checkLog(l); err != nil {
		return err
	}
	return s.call(ctx, "adopt a log", func(ctx context.Context) error {
		st, err := s.readState(ctx)
		if err != nil {
			return err
		}
		if done, err := adoptable(st.log, l); done || err != nil {
			return err
		}
		doc := stateDoc{ID: "log/" + strconv.Itoa(l.Generation), P: stateLog, Name: l.ID, Generation: l.Generation, Partitions: len(l.Partitions)}
		if _, err := s.state.InsertOne(ctx, doc); err != nil && !onlyDuplicate(err) {
			return err
		}
		if st, err = s.readState(ctx); err != nil {
			return err
		}
		done, err := adoptable(st.log, l)
		if err == nil && !done {
			return fmt.Errorf("the log %s was to be remembered, and is not", l.ID)
		}
		return err
	})
}

// raise moves W of p from what it was up to w. It writes in any case: that is how a caller sees that the store takes writes.
func (s *Mongo) raise(ctx context.Context, p int, was, w chat.Mark) error {
	higher := w.Seq > was.Seq
	if !higher {
		w = was
	}
	if _, err := s.state.InsertOne(ctx, markDoc(p, w)); err != nil && !onlyDuplicate(err) {
		return err
	}
	if higher { // the one before stays, for readers under way; what can not be removed now is the next one's
		_ = s.change(ctx, 1, func() error {
			_, err := s.swept.DeleteMany(ctx, bson.D{{Key: "p", Value: p}, {Key: "seq", Value: bson.D{{Key: "$lt", Value: int64(was.Seq)}}}})
			return err
		})
	}
	return nil
}

// maxDead bounds a dead record's bytes: a document holds 16 MiB.
const maxDead = 15 << 20

// Bury implements chat.Archive. Burying a record again keeps the first reason. Of a record that is larger than a document the
// beginning is kept.
func (s *Mongo) Bury(ctx context.Context, r chat.Record, reason string) error {
	data := chat.AppendRecord(nil, r)
	if len(data) > maxDead {
		data = data[:maxDead]
	}
	doc := deadDoc{ID: deadKey(r), Seq: int64(r.Seq), At: r.At, Reason: strings.ReplaceAll(strings.ToValidUTF8(reason, "?"), "\x00", "?"), Record: data}
	return s.call(ctx, "bury a record", func(ctx context.Context) error {
		_, err := s.dead.InsertOne(ctx, doc)
		if onlyDuplicate(err) {
			return nil
		}
		return err
	})
}

// deadKey orders by room, then seq, and is short whatever the room's name.
func deadKey(r chat.Record) string {
	room := hex.EncodeToString([]byte(r.Room))
	if len(room) > 256 {
		sum := sha256.Sum256([]byte(r.Room))
		room = room[:256] + hex.EncodeToString(sum[:])
	}
	return fmt.Sprintf("%s/%016x", room, int64(r.Seq))
}

// Dead gives up to limit buried records, by room, then seq.
func (s *Mongo) Dead(ctx context.Context, limit int) ([]Dead, error) {
	if err := checkLimit(limit); err != nil {
		return nil, err
	}
	var out []Dead
	err := s.call(ctx, "read the dead", func(ctx context.Context) error {
		c, err := s.dead.Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
		docs, err := all[deadDoc](ctx, c, err)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			d := Dead{Reason: doc.Reason}
			if d.Record, err = chat.ParseRecord(doc.Record); err != nil {
				return fmt.Errorf("a dead record at %d: %w", doc.Seq, err)
			}
			d.Record.Seq, d.Record.At = chat.Seq(doc.Seq), doc.At
			out = append(out, d)
		}
		return nil
	})
	return out, err
}

// onlyDuplicate says that one document was not written because its id is taken, and that nothing else was wrong. (The driver's own
// IsDuplicateKeyError is true if a duplicate is among other errors.)
func onlyDuplicate(err error) bool {
	var w mongo.WriteException
	if !errors.As(err, &w) || w.WriteConcernError != nil || len(w.WriteErrors) == 0 {
		return false
	}
	for _, e := range w.WriteErrors {
		if e.Code != codeDuplicate {
			return false
		}
	}
	return true
}
