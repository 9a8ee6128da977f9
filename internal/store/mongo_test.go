package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/store"
	"github.com/hubbub-chat/hubbub/internal/store/storetest"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mongoAt opens a store in a database of the server at addr.
func mongoAt(t testing.TB, addr, database string) *store.Mongo {
	t.Helper()
	o, err := store.ParseMongo(addr + "/" + database)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenMongo(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// freshMongo opens a store in a database of its own, which goes with the test.
func freshMongo(t testing.TB) (s *store.Mongo, database string) {
	t.Helper()
	database = enginetest.Name(t)
	s = mongoAt(t, enginetest.Mongo(t), database)
	dropAfter(t, s)
	return s, database
}

func dropAfter(t testing.TB, s *store.Mongo) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = store.DropMongo(ctx, s) // what is left over goes with `make services-down`
	})
}

func TestMongo(t *testing.T) {
	t.Parallel()
	databases := map[storetest.Store]string{}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) storetest.Store {
			s, database := freshMongo(t)
			databases[s] = database
			return s
		},
		Reopen: func(t *testing.T, s storetest.Store) storetest.Store {
			if err := s.(*store.Mongo).Close(); err != nil {
				t.Fatal(err)
			}
			again := mongoAt(t, enginetest.Mongo(t), databases[s])
			dropAfter(t, again)
			return again
		},
		Beside: func(t *testing.T, s storetest.Store) storetest.Store {
			return mongoAt(t, enginetest.Mongo(t), databases[s])
		},
		Dead: func(t *testing.T, s storetest.Store) (rs []chat.Record, reasons []string) {
			dead, err := s.(*store.Mongo).Dead(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range dead {
				rs, reasons = append(rs, d.Record), append(reasons, d.Reason)
			}
			return rs, reasons
		},
		Unstorable: func(seq chat.Seq) chat.Record {
			return chat.Record{Seq: seq, Kind: chat.KindMessage, Room: "r", ID: "huge", User: "u", Body: make([]byte, 2<<20)}
		},
		Sample:     11,
		Schedules:  2,
		Deviations: []storetest.Deviation{storetest.RefusesNUL},
	})
}

// rawMongo gives a database behind the store's back, as an independent reader has it.
func rawMongo(t *testing.T, addr, database string) *mongo.Database {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(addr).SetTimeout(20 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	db := c.Database(database)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = errors.Join(db.Drop(ctx), c.Disconnect(ctx)) // as dropAfter
	})
	return db
}
