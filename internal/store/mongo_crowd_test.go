package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// Three nodes save a crowd that makes rooms and joins them, in all partitions at the same time. A FerretDB has 50 connections, holds one for
// each update and waits for a second: without a bound on what is under way it never answered again.
func TestACrowdIsSaved(t *testing.T) {
	const parts, batches = 64, 4
	server := enginetest.NewMongo(t)
	var nodes []*store.Mongo
	for range 3 {
		nodes = append(nodes, mongoAt(t, server.Addr(), "crowd"))
	}
	if err := nodes[0].Adopt(t.Context(), chat.LogInfo{ID: "l", Generation: 1, Partitions: make([]chat.Partition, parts)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var saved atomic.Int64
	var all sync.WaitGroup
	for p := range parts {
		all.Go(func() {
			for n := range batches {
				for ctx.Err() == nil {
					short, end := context.WithTimeout(ctx, 10*time.Second)
					err := nodes[p%3].Save(short, p, crowdBatch(p, n), chat.Mark{Seq: chat.MakeSeq(1, int64(n*10+10))})
					end()
					if err == nil {
						saved.Add(1)
						break
					}
				}
			}
		})
	}
	all.Wait()
	if n := saved.Load(); n != parts*batches {
		t.Fatalf("%d of %d batches were saved", n, parts*batches)
	}
	for p := range parts {
		room, _, err := nodes[0].Room(t.Context(), crowdRoom(p, 0))
		if err != nil || room.Members != batches {
			t.Errorf("partition %d: %+v, %v, want %d members", p, room, err, batches)
		}
	}
}

func crowdRoom(p, i int) chat.RoomID { return chat.RoomID(fmt.Sprintf("r%d-%d", p, i)) }

// crowdBatch makes ten rooms (batch 0), or lets one user join them.
func crowdBatch(p, batch int) (cs []chat.Change) {
	for i := range 10 {
		place := int64(batch*10 + i + 1)
		room, user := crowdRoom(p, i), chat.UserID(fmt.Sprint("u", batch))
		r := chat.Record{Seq: chat.MakeSeq(1, place), Kind: chat.KindJoin, Room: room, ID: chat.MessageID(fmt.Sprint("id", p, "-", place)), User: user, Subject: user}
		b := chat.Body{ID: r.ID, RoomID: room, User: chat.User{ID: user, Name: "N"}, At: place}
		if batch == 0 {
			r.Kind, b.Room = chat.KindCreate, &chat.RoomInfo{Name: string(room), Owner: user}
		}
		r.Body = b.Encode()
		c := chat.Change{Row: r}
		if batch == 0 {
			c.Room = &r
		}
		if m, ok := chat.MembershipChange(r); ok {
			c.Member = &m
		}
		cs = append(cs, c)
	}
	return cs
}
