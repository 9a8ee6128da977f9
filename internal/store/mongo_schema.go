package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mongoSchema is the schema that this program reads and writes; it stands beside the store's name.
const mongoSchema = 1

// What a document of the collection `state` holds, in its field p: the number of a partition, or one of these.
const (
	stateLog   = -1
	stateStore = -2
)

// stateDoc is a document of the collection `state`. None is ever changed: documents are added, and W is the highest of a partition's
// marks, so that it can not go back whatever two writers do at once; marks below W are removed when a higher one stands.
type stateDoc struct {
	ID         string `bson:"_id"`
	P          int    `bson:"p"`
	Name       string `bson:"name,omitempty"` // stateStore: the store's name, stateLog: the log's identity
	Schema     int    `bson:"schema,omitempty"`
	Generation int    `bson:"generation,omitempty"`
	Partitions int    `bson:"partitions,omitempty"`
	Seq        int64  `bson:"seq"`
	Proof      int64  `bson:"proof"`
}

// markDoc is W of a partition.
func markDoc(p int, w chat.Mark) stateDoc {
	return stateDoc{ID: "mark/" + strconv.Itoa(p) + "/" + strconv.FormatInt(int64(w.Seq), 10), P: p, Seq: int64(w.Seq), Proof: int64(w.Proof)}
}

// rowDoc is a row. Body is the event's JSON text.
type rowDoc struct {
	ID      string `bson:"_id"`
	Room    string `bson:"room"`
	Seq     int64  `bson:"seq"`
	Rev     int64  `bson:"rev"`
	Edited  bool   `bson:"edited"` // rev > seq
	Talk    bool   `bson:"talk"`   // what a page shows unless all kinds are asked for
	Kind    int    `bson:"kind"`
	User    string `bson:"user"`
	Subject string `bson:"subject"`
	At      int64  `bson:"at"`
	Sent    int64  `bson:"sent"`
	Sum     int64  `bson:"sum"`
	Body    string `bson:"body"`
}

// roomDoc is a room. Members is their number when all through Counted had been saved.
type roomDoc struct {
	ID      string `bson:"_id"`
	Name    string `bson:"name"`
	Folded  string `bson:"folded"` // see foldCase
	Topic   string `bson:"topic"`
	Private bool   `bson:"private"`
	Owner   string `bson:"owner"`
	Created int64  `bson:"created"`
	Members int    `bson:"members"`
	Counted int64  `bson:"counted"`
	Seq     int64  `bson:"seq"`
	Rev     int64  `bson:"rev"`
}

// memberDoc is how a user stands, or stood, to a room.
type memberDoc struct {
	ID     string `bson:"_id"` // memberKey
	Room   string `bson:"room"`
	User   string `bson:"user"`
	Name   string `bson:"name"`
	Guest  bool   `bson:"guest"`
	State  int    `bson:"state"`
	Joined int64  `bson:"joined"`
	Rev    int64  `bson:"rev"`
}

// deadDoc is a record that could never be stored. Its bytes are binary, so that anything fits.
type deadDoc struct {
	ID     string `bson:"_id"` // deadKey
	Seq    int64  `bson:"seq"`
	At     int64  `bson:"at"`
	Reason string `bson:"reason"`
	Record []byte `bson:"record"`
}

// index is an index that a collection must have.
type index struct {
	collection *mongo.Collection
	name       string
	keys       []string
	unique     bool
}

// indexes are all there are, beside that of _id. No partial ones: FerretDB has none.
func (s *Mongo) indexes() []index {
	return []index{
		{s.rows, "place", []string{"room", "seq"}, true},
		{s.rows, "talk", []string{"room", "talk", "seq"}, false},
		{s.rows, "edits", []string{"room", "edited", "rev"}, false},
		{s.rooms, "name", []string{"name", "_id"}, false},
		{s.members, "room", []string{"room", "user"}, false},
		{s.members, "state", []string{"room", "state"}, false},
		{s.members, "user", []string{"user", "room"}, false},
	}
}

// makeIndexes makes those that are missing, one by one (FerretDB 1.24 breaks the connection when several exist already). Others may be
// doing the same: an error counts only if the index is still missing afterwards.
func (s *Mongo) makeIndexes(ctx context.Context) error {
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		err := s.tryIndexes(ctx)
		var differs indexDiffers
		if err == nil || errors.As(err, &differs) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("make the indexes: %w", err)
		}
	}
}

func (s *Mongo) tryIndexes(ctx context.Context) error {
	var failed error
	for _, x := range s.indexes() {
		has, err := x.exists(ctx)
		if err != nil {
			return err
		}
		if has {
			continue
		}
		keys := bson.D{}
		for _, k := range x.keys {
			keys = append(keys, bson.E{Key: k, Value: 1})
		}
		_, err = x.collection.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys, Options: options.Index().SetName(x.name).SetUnique(x.unique)})
		if err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// indexDiffers says that there is an index of that name which is not ours.
type indexDiffers struct{ name, collection string }

func (d indexDiffers) Error() string {
	return fmt.Sprintf("the index %s of the collection %s is not the one that hubbub makes; drop it and start again", d.name, d.collection)
}

func (x index) exists(ctx context.Context) (bool, error) {
	specs, err := x.collection.Indexes().ListSpecifications(ctx)
	if err != nil {
		return false, err
	}
	for _, spec := range specs {
		if spec.Name != x.name {
			continue
		}
		keys, err := spec.KeysDocument.Elements()
		if err != nil {
			return false, err
		}
		var names []string
		for _, k := range keys {
			names = append(names, k.Key())
		}
		if !slices.Equal(names, x.keys) || (spec.Unique != nil && *spec.Unique) != x.unique {
			return false, indexDiffers{x.name, x.collection.Name()}
		}
		return true, nil
	}
	return false, nil
}

// claim gives the database to this store and the store its name, once: whoever is second finds the first one's.
func (s *Mongo) claim(ctx context.Context) error {
	st, err := s.readState(ctx)
	if err != nil {
		return err
	}
	if st.schema == 0 {
		names, err := s.state.Database().ListCollectionNames(ctx, bson.D{})
		if err != nil {
			return err
		}
		for _, ours := range []*mongo.Collection{s.rows, s.rooms, s.members, s.dead} {
			if !slices.Contains(names, ours.Name()) {
				continue
			}
			if st, err = s.readState(ctx); err != nil { // another node may have begun meanwhile
				return err
			}
			if st.schema == 0 {
				return fmt.Errorf("it has a collection %s: %w", ours.Name(), errForeign)
			}
		}
		doc := stateDoc{ID: "store", P: stateStore, Name: storeName(s.opt.Database), Schema: mongoSchema}
		if _, err := s.state.InsertOne(ctx, doc); err != nil && !onlyDuplicate(err) {
			return err
		}
		if st, err = s.readState(ctx); err != nil {
			return err
		}
	}
	if st.schema > mongoSchema {
		return newerSchema{st.schema}
	}
	return nil
}

// storeName makes a name that no other store has, from one that people know. See chat.ArchiveState.
func storeName(base string) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return base + "-" + hex.EncodeToString(b[:])
}
