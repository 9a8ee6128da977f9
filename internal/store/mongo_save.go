package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Save implements chat.Archive, without a transaction. First the rows, in any order: the id's first one stays. Once all of them are
// acknowledged it is known which changes are their ids' first, and what these do to rooms and members is folded in log order (see
// converge). Only when all that is acknowledged too is W raised. Whatever breaks off in between is done again from W on, with the same
// result; and so is what two persisters do at once, since each has saved, or found saved, all that lies below what it saves.
func (s *Mongo) Save(ctx context.Context, p int, cs []chat.Change, w chat.Mark) error {
	return s.call(ctx, "save", func(ctx context.Context) error {
		if p >= 0 { // else it is refused below
			unlock, err := s.lock(ctx, p)
			if err != nil {
				return err
			}
			defer unlock()
		}
		st, err := s.readState(ctx, p)
		if err != nil {
			return err
		}
		if n := len(st.log.Partitions); p < 0 || p >= n {
			return fmt.Errorf("there is no partition %d in the log that the store remembers (it has %d)", p, n)
		}
		for i, c := range cs {
			if why := unholdable(c); why != "" {
				return &chat.Unstorable{Index: i, Reason: fmt.Sprintf("record at %d: %s", c.Row.Seq, why)}
			}
		}
		first, err := s.saveRows(ctx, cs)
		if err != nil {
			return err
		}
		if err := s.saveEffects(ctx, first); err != nil {
			return err
		}
		return s.raise(ctx, p, st.w(p), w)
	})
}

// What a row may hold at most, bytes. A key must fit into an index of PostgreSQL (2,704) together with a second one; a body beyond 1 MiB
// is four times what a log may carry: such a row can never be right.
const (
	maxKey  = 1000
	maxBody = 1 << 20
)

// unholdable says why no MongoDB can hold a change, or not every one: U+0000 is refused by a FerretDB. Empty: it can be held. It is
// asked before anything is written, so that such a record leaves nothing behind.
func unholdable(c chat.Change) string {
	r := c.Row
	keys := []string{string(r.Room), string(r.ID), string(r.User), string(r.Subject)}
	others := []string{string(r.Body)}
	if c.Member != nil {
		keys = append(keys, string(c.Member.Room), string(c.Member.User.ID))
		others = append(others, c.Member.User.Name)
	}
	if c.Room != nil {
		if b, err := chat.ParseBody(c.Room.Body); err == nil {
			if b.Room != nil {
				keys, others = append(keys, b.Room.Name, string(b.Room.Owner)), append(others, b.Room.Topic)
			}
			if b.Name != nil {
				keys = append(keys, *b.Name)
			}
			if b.Topic != nil {
				others = append(others, *b.Topic)
			}
		}
	}
	for _, k := range keys {
		if len(k) > maxKey {
			return fmt.Sprintf("an id or a name of %d bytes", len(k))
		}
	}
	for _, text := range append(keys, others...) {
		if why := unholdableText(text); why != "" {
			return why
		}
	}
	if r.Room == "" || r.ID == "" || r.Seq <= 0 || r.Kind == 0 || len(r.Body) < 2 {
		return "it has no room, id, place, kind or body"
	}
	return ""
}

func unholdableText(text string) string {
	switch {
	case len(text) > maxBody:
		return fmt.Sprintf("%d bytes, at most %d", len(text), maxBody)
	case strings.IndexByte(text, 0) >= 0:
		return "it holds U+0000"
	case !utf8.ValidString(text):
		return "it is not UTF-8"
	}
	return ""
}

// unknowable says that no document can have this key. A FerretDB answers a question about such a one with a general error.
func unknowable(key string) bool { return len(key) > maxKey || unholdableText(key) != "" }

// saveRows writes the rows that are not there, and gives the changes whose id's row is at their very place.
func (s *Mongo) saveRows(ctx context.Context, cs []chat.Change) (first []chat.Change, err error) {
	if len(cs) == 0 {
		return nil, nil
	}
	docs := make([]rowDoc, len(cs))
	for i, c := range cs {
		docs[i] = rowOf(c.Row)
	}
	_, err = s.rows.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	duplicates, err := bulkOutcome(err)
	if err != nil {
		return nil, err
	}
	copies := make([]bool, len(cs))
	err = each(ctx, len(duplicates), func(ctx context.Context, i int) error {
		n := duplicates[i]
		isFirst, err := s.isFirst(ctx, cs[n].Row)
		copies[n] = !isFirst
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, c := range cs {
		if !copies[i] {
			first = append(first, c)
		}
	}
	return first, nil
}

// isFirst says of a row that was refused as a duplicate whether its id's row is at this very place. If the id has no row, its place is
// another's: the log went back.
func (s *Mongo) isFirst(ctx context.Context, r chat.Record) (bool, error) {
	place, err := s.placeOf(ctx, r.ID)
	if err == nil {
		return place.Room == string(r.Room) && place.Seq == int64(r.Seq), nil
	}
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return false, err
	}
	var other rowDoc
	err = s.rows.FindOne(ctx, bson.D{{Key: "room", Value: string(r.Room)}, {Key: "seq", Value: int64(r.Seq)}},
		options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Decode(&other)
	if err != nil {
		return false, fmt.Errorf("record %s was refused as a duplicate, and the one it duplicates is not there: %w", r.ID, err)
	}
	return false, fmt.Errorf("mongodb: place %d of room %s has record %s, not %s: %w", r.Seq, r.Room, other.ID, r.ID, chat.ErrRewound)
}

// placeOf gives room and seq of the row with an id, or mongo.ErrNoDocuments.
func (s *Mongo) placeOf(ctx context.Context, id chat.MessageID) (rowDoc, error) {
	var doc rowDoc
	if unknowable(string(id)) {
		return doc, mongo.ErrNoDocuments
	}
	err := s.rows.FindOne(ctx, bson.D{{Key: "_id", Value: string(id)}},
		options.FindOne().SetProjection(bson.D{{Key: "room", Value: 1}, {Key: "seq", Value: 1}})).Decode(&doc)
	return doc, err
}

func rowOf(r chat.Record) rowDoc {
	return rowDoc{ID: string(r.ID), Room: string(r.Room), Seq: int64(r.Seq), Rev: int64(r.Seq), Talk: r.Kind == chat.KindMessage || r.Kind == chat.KindTombstone,
		Kind: int(r.Kind), User: string(r.User), Subject: string(r.Subject), At: r.At, Sent: r.Sent, Sum: int64(r.Sum), Body: string(r.Body)}
}

func (d rowDoc) record() chat.Record {
	return chat.Record{Seq: chat.Seq(d.Seq), At: d.At, Kind: chat.Kind(d.Kind), Room: chat.RoomID(d.Room), ID: chat.MessageID(d.ID),
		User: chat.UserID(d.User), Subject: chat.UserID(d.Subject), Sent: d.Sent, Sum: uint64(d.Sum), Body: []byte(d.Body)}
}
