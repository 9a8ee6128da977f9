package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/hubbub-chat/hubbub/internal/trial/crowd"
)

// row is a document of the collection `rows` as this reader sees it.
type row struct {
	ID   string `bson:"_id"`
	Room string `bson:"room"`
	Seq  int64  `bson:"seq"`
	Talk bool   `bson:"talk"` // a message, not a join or leave
	Body string `bson:"body"`
}

// scan reads every row of the database, in one pass, with the official driver alone: none of the server's code is asked.
func scan(ctx context.Context, addr string) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c, err := mongo.Connect(mongooptions.Client().ApplyURI(addr).SetServerSelectionTimeout(10 * time.Second))
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Disconnect(context.WithoutCancel(ctx)) }()
	all, err := c.Database(deploymentName).Collection("rows").Find(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	var rows []row
	return rows, all.All(ctx, &rows)
}

// compare holds the database against history as clients read it: the same messages of the same rooms at the same places, each id once.
func compare(kept crowd.History, rows []row) error {
	var bad []error
	stored, ids := map[string]row{}, map[string]bool{}
	for _, r := range rows {
		if ids[r.ID] {
			bad = append(bad, fmt.Errorf("%s is in the database twice", r.ID))
		}
		ids[r.ID] = true
		if _, ours := kept[r.Room]; ours && r.Talk {
			stored[r.ID] = r
		}
	}
	for room, h := range kept {
		for _, m := range h {
			r, ok := stored[m.ID]
			delete(stored, m.ID)
			var body struct{ Text string }
			switch {
			case !ok:
				bad = append(bad, fmt.Errorf("%s of room %s is not in the database", m.ID, room))
			case json.Unmarshal([]byte(r.Body), &body) != nil || body.Text != m.Text || r.Seq != m.Seq || r.Room != room:
				bad = append(bad, fmt.Errorf("%s is at %d of room %s with %q in history, and in the database at %d of room %s: %.200s", m.ID, m.Seq, room, m.Text, r.Seq, r.Room, r.Body))
			}
		}
	}
	for id := range stored {
		bad = append(bad, fmt.Errorf("%s is in the database and not in history", id))
	}
	if n := len(bad); n > 12 {
		bad = append(bad[:12], fmt.Errorf("and %d more", n-12))
	}
	return errors.Join(bad...)
}
