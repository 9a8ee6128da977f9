package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mongoRounds is how often a batch's effects are tried against other writers before the whole batch is tried anew.
const mongoRounds = 20

// effects are what a batch does to the documents of a collection: by id, in log order. A fold says what becomes of a document (the
// zero one: it is not there), or that nothing does.
type effects[D revised] map[string][]func(D) (D, bool)

// revised is a document that is changed only by what has a higher place than its last change.
type revised interface {
	roomDoc | memberDoc
	revision() int64  // 0: it is not there
	changed() bson.D  // what a change may change
	identify() string // its id
}

// saveEffects folds what the changes do to rooms and members, in log order, into the documents.
func (s *Mongo) saveEffects(ctx context.Context, cs []chat.Change) error {
	rooms, members := effects[roomDoc]{}, effects[memberDoc]{}
	counts := map[string]chat.Seq{} // rooms to count anew, as of the last record that may have changed the number
	for _, c := range cs {
		if r := c.Room; r != nil {
			id := string(r.Room)
			rooms[id] = append(rooms[id], func(d roomDoc) (roomDoc, bool) { return foldRoom(d, *r) })
			counts[id] = max(counts[id], r.Seq)
		}
		if m := c.Member; m != nil {
			id := memberKey(m.Room, m.User.ID)
			members[id] = append(members[id], func(d memberDoc) (memberDoc, bool) { return foldMember(d, *m) })
			counts[string(m.Room)] = max(counts[string(m.Room)], m.Rev)
		}
	}
	if err := converge(ctx, s, s.rooms, rooms); err != nil {
		return fmt.Errorf("rooms: %w", err)
	}
	if err := converge(ctx, s, s.members, members); err != nil {
		return fmt.Errorf("members: %w", err)
	}
	ids := keysOf(counts)
	return each(ctx, len(ids), func(ctx context.Context, i int) error { return s.countMembers(ctx, ids[i], counts[ids[i]]) })
}

// converge folds effects into documents until a look at them finds nothing to do. A change is written only over the very revision that
// it was folded from; whoever was faster is seen in the next round. That last look is also what makes this right on FerretDB, whose
// updates are not atomic: what another writer has undone there is done again.
func converge[D revised](ctx context.Context, s *Mongo, coll *mongo.Collection, es effects[D]) error {
	ids := keysOf(es)
	for range mongoRounds {
		if len(ids) == 0 {
			return nil
		}
		docs := make([]D, len(ids))
		err := each(ctx, len(ids), func(ctx context.Context, i int) error {
			err := coll.FindOne(ctx, bson.D{{Key: "_id", Value: ids[i]}}).Decode(&docs[i])
			if errors.Is(err, mongo.ErrNoDocuments) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
		var inserts, updates []mongo.WriteModel
		var again []string
		for i, id := range ids {
			next, ok := foldAll(docs[i], es[id])
			switch {
			case !ok:
				continue
			case docs[i].revision() == 0:
				inserts = append(inserts, mongo.NewInsertOneModel().SetDocument(next))
			default:
				updates = append(updates, replace(docs[i], next))
			}
			again = append(again, id)
		}
		if err := s.writeAll(ctx, coll, inserts, updates); err != nil {
			return err
		}
		ids = again
	}
	return errors.New("other writers were faster every time")
}

// writeAll writes inserts, and updates a few at a time, in any order. A duplicate is no error: another writer has inserted it.
func (s *Mongo) writeAll(ctx context.Context, coll *mongo.Collection, inserts, updates []mongo.WriteModel) error {
	write := func(models []mongo.WriteModel) error {
		_, err := coll.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
		_, err = bulkOutcome(err)
		return unindexed(err)
	}
	if len(inserts) > 0 {
		if err := write(inserts); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(updates, mongoChanges) {
		if err := s.change(ctx, len(some), func() error { return write(some) }); err != nil {
			return err
		}
	}
	return nil
}

func foldAll[D revised](d D, folds []func(D) (D, bool)) (next D, changed bool) {
	for _, f := range folds {
		if after, ok := f(d); ok {
			d, changed = after, true
		}
	}
	return d, changed
}

// replace writes next over old, if old is still what is there.
func replace[D revised](old, next D) mongo.WriteModel {
	return mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: old.identify()}, {Key: "rev", Value: old.revision()}}).
		SetUpdate(bson.D{{Key: "$set", Value: next.changed()}})
}

// unindexed takes the index out of *chat.Unstorable: it counts documents of another bulk than the caller's changes.
func unindexed(err error) error {
	var never *chat.Unstorable
	if errors.As(err, &never) {
		return &chat.Unstorable{Index: -1, Reason: never.Reason}
	}
	return err
}

// foldRoom follows chat.RoomChange.
func foldRoom(d roomDoc, r chat.Record) (roomDoc, bool) {
	room, ok := chat.RoomChange(d.room(), r)
	if !ok {
		return d, false
	}
	return roomDoc{ID: string(room.ID), Name: room.Name, Folded: foldCase(room.Name), Topic: room.Topic, Private: room.Private,
		Owner: string(room.Owner), Created: room.Created, Members: d.Members, Counted: d.Counted, Seq: int64(room.Seq), Rev: int64(room.Rev)}, true
}

// foldMember follows memberChanges.
func foldMember(d memberDoc, m chat.Member) (memberDoc, bool) {
	if !memberChanges(chat.MemberState(d.State), chat.Seq(d.Rev), m) {
		return d, false
	}
	return memberDoc{ID: memberKey(m.Room, m.User.ID), Room: string(m.Room), User: string(m.User.ID), Name: m.User.Name, Guest: m.User.Guest,
		State: int(m.State), Joined: int64(m.Joined), Rev: int64(m.Rev)}, true
}

// countMembers counts a room's members anew, when all changes through asOf are there. A count of a writer that is behind gives way; and
// whoever is ahead will count again.
func (s *Mongo) countMembers(ctx context.Context, room string, asOf chat.Seq) error {
	n, err := s.members.CountDocuments(ctx, bson.D{{Key: "room", Value: room}, {Key: "state", Value: int(chat.StateJoined)}})
	if err != nil {
		return fmt.Errorf("count the members: %w", err)
	}
	err = s.change(ctx, 1, func() error {
		_, err := s.rooms.UpdateOne(ctx, bson.D{{Key: "_id", Value: room}, {Key: "counted", Value: bson.D{{Key: "$lte", Value: int64(asOf)}}}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "members", Value: int(n)}, {Key: "counted", Value: int64(asOf)}}}})
		return err
	})
	if err != nil {
		return fmt.Errorf("count the members: %w", err)
	}
	return nil
}

// memberKey is one key for a room and a user, whatever characters are in them.
func memberKey(room chat.RoomID, u chat.UserID) string {
	return strconv.Itoa(len(room)) + ":" + string(room) + ":" + string(u)
}

func keysOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

func (d roomDoc) revision() int64  { return d.Rev }
func (d roomDoc) identify() string { return d.ID }
func (d roomDoc) changed() bson.D {
	return bson.D{{Key: "name", Value: d.Name}, {Key: "folded", Value: d.Folded}, {Key: "topic", Value: d.Topic}, {Key: "rev", Value: d.Rev}}
}

func (d roomDoc) room() chat.Room {
	return chat.Room{ID: chat.RoomID(d.ID), Name: d.Name, Topic: d.Topic, Private: d.Private, Owner: chat.UserID(d.Owner), Created: d.Created,
		Members: d.Members, Seq: chat.Seq(d.Seq), Rev: chat.Seq(d.Rev)}
}

func (d memberDoc) revision() int64  { return d.Rev }
func (d memberDoc) identify() string { return d.ID }
func (d memberDoc) changed() bson.D {
	return bson.D{{Key: "name", Value: d.Name}, {Key: "guest", Value: d.Guest}, {Key: "state", Value: d.State}, {Key: "joined", Value: d.Joined},
		{Key: "rev", Value: d.Rev}}
}

func (d memberDoc) member() chat.Member {
	return chat.Member{Room: chat.RoomID(d.Room), User: chat.User{ID: chat.UserID(d.User), Name: d.Name, Guest: d.Guest},
		State: chat.MemberState(d.State), Joined: chat.Seq(d.Joined), Rev: chat.Seq(d.Rev)}
}
