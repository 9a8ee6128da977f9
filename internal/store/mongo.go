package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

const (
	// mongoWait bounds every call; a caller's own deadline may be shorter.
	mongoWait = 10 * time.Second
	// mongoPick is for how long a call waits for a server that takes writes, before it says that there is none.
	mongoPick = 2 * time.Second
	// mongoAtOnce is how many look-ups of one call run at the same time.
	mongoAtOnce = 8
	// mongoChanges is how many updates and deletes a store has under way. A FerretDB holds a connection of its pool of 50 for each, and for
	// each waits for a second one: where all are held by those who wait, it never answers again (case "a crowd" of its tests).
	mongoChanges = 8
	// mongoLocks is over how many locks the partitions are spread.
	mongoLocks = 64
)

// Mongo is a store in a MongoDB database: chat.Archive, chat.Messages and chat.Directory, shared by all nodes. Every write is
// acknowledged by the majority and its journal, every read is of what the majority has, from the primary. It uses what MongoDB 6 to 8
// and FerretDB 1.24 have in common, and no transactions: see Save for how it is right without. It is safe for concurrent use, and
// outlives a server that goes away. Errors are as those of SQLite.
type Mongo struct {
	client  *mongo.Client
	opt     MongoOptions
	logger  *slog.Logger
	state   *mongo.Collection // the store's name, the logs it has known, W: see stateDoc
	swept   *mongo.Collection // the same, for removing what nobody needs: waits for one server only
	rows    *mongo.Collection
	rooms   *mongo.Collection
	members *mongo.Collection
	dead    *mongo.Collection

	count atomic.Int64              // of the log's partitions, when it was last read; 0: not known
	locks [mongoLocks]chan struct{} // one token each: a partition is saved by one call of this process at a time

	changes *semaphore.Weighted // updates and deletes under way
}

var (
	_ chat.Archive   = (*Mongo)(nil)
	_ chat.Messages  = (*Mongo)(nil)
	_ chat.Directory = (*Mongo)(nil)
)

// newMongo makes a store of a client; nothing has been asked of the server yet.
func newMongo(c *mongo.Client, o MongoOptions) *Mongo {
	db := c.Database(o.Database)
	s := &Mongo{client: c, opt: o, logger: o.Logger, state: db.Collection("state"),
		swept: db.Collection("state", options.Collection().SetWriteConcern(writeconcern.W1())), rows: db.Collection("rows"), rooms: db.Collection("rooms"),
		members: db.Collection("members"), dead: db.Collection("dead"), changes: semaphore.NewWeighted(mongoChanges)}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	for i := range s.locks {
		s.locks[i] = make(chan struct{}, 1)
		s.locks[i] <- struct{}{}
	}
	return s
}

// Close ends all connections; calls after it fail.
func (s *Mongo) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), mongoWait)
	defer cancel()
	if err := s.client.Disconnect(ctx); err != nil && !errors.Is(err, mongo.ErrClientDisconnected) {
		return fmt.Errorf("mongodb: close: %w", err)
	}
	return nil
}

// Ping says whether the store can be read.
func (s *Mongo) Ping(ctx context.Context) error {
	return s.call(ctx, "ping", func(ctx context.Context) error {
		_, err := s.readState(ctx)
		return err
	})
}

// call runs one call within mongoWait, and makes of its error what callers may rely on.
func (s *Mongo) call(ctx context.Context, what string, f func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, mongoWait)
	defer cancel()
	err := f(bounded)
	if err == nil {
		return nil
	}
	var answer *chat.Error
	var never *chat.Unstorable
	if errors.As(err, &answer) || errors.As(err, &never) || errors.Is(err, chat.ErrRewound) {
		return err
	}
	if diskFull(err) {
		err = fmt.Errorf("%w: %w", chat.ErrStoreFailed, err)
	}
	if ended := bounded.Err(); ended != nil && !errors.Is(err, ended) { // the driver has words of its own for it
		err = fmt.Errorf("%w: %w", ended, err)
	}
	return fmt.Errorf("mongodb: %s: %w: %w", what, chat.ErrUnavailable, err)
}

// change runs a command of n updates or deletes, mongoChanges at most, when so many more may be under way.
func (s *Mongo) change(ctx context.Context, n int, f func() error) error {
	if err := s.changes.Acquire(ctx, int64(n)); err != nil {
		return err
	}
	defer s.changes.Release(int64(n))
	return f()
}

// lock waits for the right to save partition p.
func (s *Mongo) lock(ctx context.Context, p int) (unlock func(), err error) {
	turn := s.locks[p%mongoLocks]
	select {
	case <-turn:
		return func() { turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// each runs f for 0 to n-1, some at a time, and gives the first error.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(mongoAtOnce)
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil { // another one failed
				return err
			}
			return f(ctx, i)
		})
	}
	return group.Wait()
}

// all reads what is left of a cursor.
func all[T any](ctx context.Context, c *mongo.Cursor, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	var out []T
	return out, c.All(ctx, &out)
}
