package store

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// maxPattern bounds what is searched for in names, bytes: no name is longer.
const maxPattern = 4 * maxKey

// present are the states of who is a member or invited.
var present = bson.D{{Key: "$lt", Value: int(chat.StateLeft)}}

// Room implements chat.Directory.
func (s *Mongo) Room(ctx context.Context, id chat.RoomID) (chat.Room, chat.Seq, error) {
	var doc roomDoc
	var w chat.Seq
	err := s.call(ctx, "read a room", func(ctx context.Context) (err error) {
		if w, err = s.watermark(ctx, id); err != nil {
			return err
		}
		if unknowable(string(id)) {
			return chat.ErrNotFound
		}
		err = s.rooms.FindOne(ctx, bson.D{{Key: "_id", Value: string(id)}}).Decode(&doc)
		if errors.Is(err, mongo.ErrNoDocuments) {
			return chat.ErrNotFound
		}
		return err
	})
	if err != nil {
		return chat.Room{}, w, err
	}
	return doc.room(), w, nil
}

// List implements chat.Directory. Names are ordered by their bytes.
func (s *Mongo) List(ctx context.Context, q chat.RoomQuery, c chat.Cursor) ([]chat.Room, chat.Cursor, error) {
	if err := checkLimit(q.Limit); err != nil {
		return nil, "", err
	}
	scope := []string{"rooms", string(q.Asker), q.Text}
	at, resumed, err := parseCursor(scope, c, 2)
	if err != nil {
		return nil, "", err
	}
	text := foldCase(q.Text)
	if len(text) > maxPattern || strings.IndexByte(text, 0) >= 0 { // no name is like that
		return nil, "", nil
	}
	var docs []roomDoc
	err = s.call(ctx, "list rooms", func(ctx context.Context) error {
		visible, err := s.visible(ctx, q.Asker)
		if err != nil {
			return err
		}
		filter := bson.D{{Key: "$or", Value: visible}}
		if text != "" {
			filter = append(filter, bson.E{Key: "folded", Value: bson.D{{Key: "$regex", Value: regexp.QuoteMeta(text)}}})
		}
		if resumed {
			behind := bson.A{bson.D{{Key: "name", Value: bson.D{{Key: "$gt", Value: at[0]}}}},
				bson.D{{Key: "name", Value: at[0]}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: at[1]}}}}}
			filter = bson.D{{Key: "$and", Value: bson.A{bson.D{{Key: "$or", Value: behind}}, filter}}}
		}
		cur, err := s.rooms.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "name", Value: 1}, {Key: "_id", Value: 1}}).SetLimit(int64(q.Limit+1)))
		docs, err = all[roomDoc](ctx, cur, err)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	var rooms []chat.Room
	for _, d := range docs {
		rooms = append(rooms, d.room())
	}
	if len(rooms) <= q.Limit {
		return rooms, "", nil
	}
	last := rooms[q.Limit-1]
	return rooms[:q.Limit], newCursor(scope, last.Name, string(last.ID)), nil
}

// visible gives the conditions under which a user sees a room: it is public, he owns it, or he belongs to it or is invited.
func (s *Mongo) visible(ctx context.Context, u chat.UserID) (bson.A, error) {
	either := bson.A{bson.D{{Key: "private", Value: false}}}
	if u == "" || unknowable(string(u)) {
		return either, nil
	}
	cur, err := s.members.Find(ctx, bson.D{{Key: "user", Value: string(u)}, {Key: "state", Value: present}},
		options.Find().SetProjection(bson.D{{Key: "room", Value: 1}}).SetLimit(MaxRows))
	docs, err := all[memberDoc](ctx, cur, err)
	if err != nil {
		return nil, err
	}
	ids := bson.A{}
	for _, d := range docs {
		ids = append(ids, d.Room)
	}
	return append(either, bson.D{{Key: "owner", Value: string(u)}}, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}), nil
}

// Members implements chat.Directory.
func (s *Mongo) Members(ctx context.Context, room chat.RoomID, c chat.Cursor, limit int) ([]chat.Member, chat.Cursor, error) {
	if err := checkLimit(limit); err != nil {
		return nil, "", err
	}
	scope := []string{"members", string(room)}
	at, _, err := parseCursor(scope, c, 1)
	if err != nil {
		return nil, "", err
	}
	var docs []memberDoc
	err = s.call(ctx, "list members", func(ctx context.Context) (err error) {
		docs, err = s.findMembers(ctx, "room", string(room), "user", at[0], limit+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	var out []chat.Member
	for _, d := range docs {
		out = append(out, d.member())
	}
	if len(out) <= limit {
		return out, "", nil
	}
	return out[:limit], newCursor(scope, string(out[limit-1].User.ID)), nil
}

// findMembers gives the present members whose field key is value, in the order of the field by, behind a place.
func (s *Mongo) findMembers(ctx context.Context, key, value, by, behind string, limit int) ([]memberDoc, error) {
	if unknowable(value) {
		return nil, nil
	}
	cur, err := s.members.Find(ctx, bson.D{{Key: key, Value: value}, {Key: by, Value: bson.D{{Key: "$gt", Value: behind}}}, {Key: "state", Value: present}},
		options.Find().SetSort(bson.D{{Key: by, Value: 1}}).SetLimit(int64(limit)))
	return all[memberDoc](ctx, cur, err)
}

// RoomsOf implements chat.Directory. A membership in a room that the store does not know is left out.
func (s *Mongo) RoomsOf(ctx context.Context, u chat.UserID, c chat.Cursor, limit int) ([]chat.Membership, chat.Cursor, error) {
	if err := checkLimit(limit); err != nil {
		return nil, "", err
	}
	scope := []string{"roomsOf", string(u)}
	at, _, err := parseCursor(scope, c, 1)
	if err != nil {
		return nil, "", err
	}
	var out []chat.Membership
	err = s.call(ctx, "list a user's rooms", func(ctx context.Context) error {
		for behind := at[0]; ; {
			docs, err := s.findMembers(ctx, "user", string(u), "room", behind, limit+1)
			if err != nil {
				return err
			}
			found, err := s.withRooms(ctx, docs)
			if err != nil {
				return err
			}
			out = append(out, found...)
			if len(docs) <= limit || len(out) > limit {
				return nil
			}
			behind = docs[limit].Room
		}
	})
	if err != nil {
		return nil, "", err
	}
	if len(out) <= limit {
		return out, "", nil
	}
	return out[:limit], newCursor(scope, string(out[limit-1].Room.ID)), nil
}

// withRooms puts their rooms to memberships, and leaves out those that have none.
func (s *Mongo) withRooms(ctx context.Context, docs []memberDoc) ([]chat.Membership, error) {
	rooms := make([]roomDoc, len(docs))
	err := each(ctx, len(docs), func(ctx context.Context, i int) error {
		err := s.rooms.FindOne(ctx, bson.D{{Key: "_id", Value: docs[i].Room}}).Decode(&rooms[i])
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil
		}
		return err
	})
	var out []chat.Membership
	for i, d := range docs {
		if rooms[i].Seq != 0 {
			out = append(out, chat.Membership{Member: d.member(), Room: rooms[i].room()})
		}
	}
	return out, err
}
