package store

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/wellformed"
)

// FuzzDocuments: whatever BSON stands in the database, it is read as a document of ours or refused, and what is read can be shown.
func FuzzDocuments(f *testing.F) {
	for _, doc := range []any{rowDoc{ID: "i", Room: "r", Seq: 1, Kind: 1, Body: "{}"}, roomDoc{ID: "r", Name: "n"}, memberDoc{Room: "r", User: "u"}, stateDoc{ID: "s", P: -1},
		bson.D{{Key: "body", Value: 7}}, bson.D{{Key: "seq", Value: 1e300}}, bson.D{{Key: "kind", Value: int64(1) << 40}}} {
		data, err := bson.Marshal(doc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)-1])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var row rowDoc
		if bson.Unmarshal(data, &row) == nil {
			_ = chat.AppendEvent(nil, chat.Shown(row.record(), wellformed.Object))
		}
		_ = bson.Unmarshal(data, &roomDoc{})
		_ = bson.Unmarshal(data, &memberDoc{})
		_ = bson.Unmarshal(data, &stateDoc{})
		_ = bson.Unmarshal(data, &deadDoc{})
	})
}
