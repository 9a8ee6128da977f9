package store

import (
	"context"
	"errors"
	"slices"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Page implements chat.Messages. W is read first, and what lies at or below it was acknowledged before it was.
func (s *Mongo) Page(ctx context.Context, room chat.RoomID, r chat.Range, limit int) (chat.Page, error) {
	if err := checkLimit(limit); err != nil {
		return chat.Page{}, err
	}
	var p chat.Page
	err := s.call(ctx, "read a page", func(ctx context.Context) error {
		w, err := s.watermark(ctx, room)
		if err != nil {
			return err
		}
		q := mongoPage{s: s, ctx: ctx, room: room, w: w, want: r}
		p, err = q.page(r, limit)
		return err
	})
	return p, err
}

// mongoPage reads parts of one room's rows as of w.
type mongoPage struct {
	s    *Mongo
	ctx  context.Context
	room chat.RoomID
	w    chat.Seq
	want chat.Range // how much of it, and which kinds
}

func (q *mongoPage) page(r chat.Range, limit int) (p chat.Page, err error) {
	p.AsOf = q.w
	switch {
	case r.Around != 0:
		return q.around(r.Around, limit)
	case r.After != 0:
		p.Rows, p.HasMore, err = q.above(max(r.After, 0), limit)
		return p, err
	}
	before := r.Before
	if before == 0 {
		before = q.w + 1
	}
	if p.Rows, p.HasMore, err = q.below(before, limit); err != nil {
		return p, err
	}
	p.Newer, err = q.anyAbove(before - 1)
	return p, err
}

// around has the half at or below a place, which gets the odd one, and the half above it.
func (q *mongoPage) around(place chat.Seq, limit int) (p chat.Page, err error) {
	p.AsOf = q.w
	if p.Rows, p.HasMore, err = q.below(min(place, q.w)+1, (limit+1)/2); err != nil { // place+1 might not be a number any more
		return p, err
	}
	if limit == 1 {
		p.Newer, err = q.anyAbove(place)
		return p, err
	}
	high, newer, err := q.above(place, limit/2)
	p.Rows, p.Newer = append(p.Rows, high...), newer
	return p, err
}

// below gives the newest limit rows below a place, and says whether there are more.
func (q *mongoPage) below(place chat.Seq, limit int) ([]chat.Record, bool, error) {
	rows, more, err := q.find(bson.D{{Key: "$lt", Value: int64(min(place, q.w+1))}}, -1, limit)
	slices.Reverse(rows)
	return rows, more, err
}

// above gives the oldest limit rows above a place, and says whether there are more.
func (q *mongoPage) above(place chat.Seq, limit int) ([]chat.Record, bool, error) {
	if place >= q.w {
		return nil, false, nil
	}
	return q.find(bson.D{{Key: "$gt", Value: int64(place)}, {Key: "$lte", Value: int64(q.w)}}, 1, limit)
}

func (q *mongoPage) anyAbove(place chat.Seq) (bool, error) {
	if place >= q.w {
		return false, nil
	}
	rows, _, err := q.find(bson.D{{Key: "$gt", Value: int64(place)}, {Key: "$lte", Value: int64(q.w)}}, 1, 1)
	return len(rows) > 0, err
}

// find reads by one of the indexes `place` and `talk` until it has the limit, or bytes enough, and says whether one more was there.
func (q *mongoPage) find(seq bson.D, order, limit int) (out []chat.Record, more bool, err error) {
	if unknowable(string(q.room)) {
		return nil, false, nil
	}
	filter := bson.D{{Key: "room", Value: string(q.room)}}
	if !q.want.All {
		filter = append(filter, bson.E{Key: "talk", Value: true})
	}
	filter = append(filter, bson.E{Key: "seq", Value: seq})
	c, err := q.s.rows.Find(q.ctx, filter, options.Find().SetSort(bson.D{{Key: "seq", Value: order}}).SetLimit(int64(limit)+1))
	if err != nil {
		return nil, false, err
	}
	defer c.Close(q.ctx)
	bytes := 0
	for c.Next(q.ctx) {
		if len(out) == limit || q.want.Enough(bytes) {
			return out, true, nil
		}
		var d rowDoc
		if err := c.Decode(&d); err != nil {
			return nil, false, err
		}
		r := d.record()
		out = append(out, r)
		bytes += r.Size()
	}
	return out, false, c.Err()
}

// Changed implements chat.Messages: what is new by its seq, what was there before and has been changed since by its rev.
func (s *Mongo) Changed(ctx context.Context, room chat.RoomID, after chat.Seq, limit int) (chat.Page, error) {
	if err := checkLimit(limit); err != nil {
		return chat.Page{}, err
	}
	after = max(after, 0)
	var p chat.Page
	err := s.call(ctx, "read changes", func(ctx context.Context) error {
		w, err := s.watermark(ctx, room)
		if err != nil {
			return err
		}
		q := mongoPage{s: s, ctx: ctx, room: room, w: w, want: chat.Range{All: true}}
		fresh, more, err := q.above(after, limit)
		if err != nil {
			return err
		}
		p = chat.Page{Rows: fresh, HasMore: more, AsOf: w}
		old, err := q.changedBelow(after, limit+1)
		if err == nil && len(old) > 0 {
			p.Rows, p.HasMore = mergePlaces(fresh, old, limit, more)
		}
		return err
	})
	return p, err
}

func (q *mongoPage) changedBelow(after chat.Seq, limit int) ([]changed, error) {
	if unknowable(string(q.room)) {
		return nil, nil
	}
	c, err := q.s.rows.Find(q.ctx, bson.D{{Key: "room", Value: string(q.room)}, {Key: "edited", Value: true},
		{Key: "rev", Value: bson.D{{Key: "$gt", Value: int64(after)}, {Key: "$lte", Value: int64(q.w)}}},
		{Key: "seq", Value: bson.D{{Key: "$lte", Value: int64(after)}}}}, options.Find().SetSort(bson.D{{Key: "rev", Value: 1}}).SetLimit(int64(limit)))
	docs, err := all[rowDoc](q.ctx, c, err)
	var out []changed
	for _, d := range docs {
		out = append(out, changed{d.record(), chat.Seq(d.Rev)})
	}
	return out, err
}

// ByID implements chat.Messages. The row may lie above W.
func (s *Mongo) ByID(ctx context.Context, room chat.RoomID, id chat.MessageID) (chat.Record, error) {
	var doc rowDoc
	err := s.call(ctx, "look up an id", func(ctx context.Context) error {
		if unknowable(string(id)) {
			return chat.ErrNotFound
		}
		err := s.rows.FindOne(ctx, bson.D{{Key: "_id", Value: string(id)}}).Decode(&doc)
		if errors.Is(err, mongo.ErrNoDocuments) || err == nil && doc.Room != string(room) {
			return chat.ErrNotFound
		}
		return err
	})
	if err != nil {
		return chat.Record{}, err
	}
	return doc.record(), nil
}

// Seqs gives, of the ids that have rows in the room, the places of these; at most MaxRows ids. They are looked up one by one, some at
// a time: FerretDB reads the whole collection for a list of them.
func (s *Mongo) Seqs(ctx context.Context, room chat.RoomID, ids []chat.MessageID) (map[chat.MessageID]chat.Seq, error) {
	if len(ids) > MaxRows {
		return nil, checkLimit(len(ids))
	}
	places := make([]rowDoc, len(ids))
	err := s.call(ctx, "look up ids", func(ctx context.Context) error {
		return each(ctx, len(ids), func(ctx context.Context, i int) error {
			var err error
			if places[i], err = s.placeOf(ctx, ids[i]); errors.Is(err, mongo.ErrNoDocuments) {
				return nil
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	out := make(map[chat.MessageID]chat.Seq)
	for i, d := range places {
		if d.Seq != 0 && d.Room == string(room) {
			out[ids[i]] = chat.Seq(d.Seq)
		}
	}
	return out, nil
}
