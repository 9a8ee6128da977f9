package store_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/store"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// openErr opens what must not be opened, and gives the sentence.
func openErr(t *testing.T, addr string) string {
	t.Helper()
	o, err := store.ParseMongo(addr)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s, err := store.OpenMongo(t.Context(), o)
	if err == nil {
		s.Close()
		t.Fatalf("%s was opened", o)
	}
	if took := time.Since(start); took > 25*time.Second {
		t.Errorf("the refusal took %v", took)
	}
	if text := err.Error(); !strings.Contains(text, "the store "+o.String()) || strings.Contains(text, "s3cret") || strings.Contains(text, "\n") {
		t.Errorf("not one sentence, or with the password: %q", text)
	}
	return err.Error()
}

// TestOpenMongoRefusals: each way in which a server can not be used is a sentence that names it and what to do.
func TestOpenMongoRefusals(t *testing.T) {
	t.Parallel()
	no := func(code int, name string) bson.D {
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "codeName", Value: name}, {Key: "errmsg", Value: name}}
	}
	for name, c := range map[string]struct {
		change func(answers map[string]bson.D)
		want   string
	}{
		"a mongod on its own": {func(a map[string]bson.D) { a["hello"], a["isMaster"] = member(), member() }, "--replSet"},
		"wrong password":      {func(a map[string]bson.D) { a["saslStart"] = no(18, "AuthenticationFailed") }, "refuses the user or the password"},
		"no rights":           {func(a map[string]bson.D) { a["find state"] = no(13, "Unauthorized") }, "gives this user no right"},
		"no primary": {func(a map[string]bson.D) {
			second := member(bson.E{Key: "setName", Value: "rs0"}, bson.E{Key: "secondary", Value: true})
			second[1].Value = false
			a["hello"], a["isMaster"] = second, slices.Clone(second)
		}, "has no primary"},
		"a newer schema": {func(a map[string]bson.D) {
			a["find state"] = cursor(bson.D{{Key: "_id", Value: "store"}, {Key: "p", Value: -2}, {Key: "name", Value: "x"}, {Key: "schema", Value: 99}})
		}, "written by a newer hubbub (schema 99, this one knows 1)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := storing()
			c.change(answers)
			user := "u:s3cret@"
			if name != "wrong password" {
				answers["saslStart"] = bson.D{{Key: "ok", Value: 1}}
				user = ""
			}
			addr := newWire(t, answers).addr
			if got := openErr(t, strings.Replace(addr, "://", "://"+user, 1)+"/x"); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestOpenMongoUnreachable: nobody there, or somebody who says nothing.
func TestOpenMongoUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts for it
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	l.Close()
	for _, addr := range []string{l.Addr().String(), silent.Addr().String()} {
		t.Run(addr, func(t *testing.T) {
			t.Parallel()
			if got := openErr(t, "mongodb://u:s3cret@"+addr+"/x"); !strings.Contains(got, "can not be reached") {
				t.Errorf("got %q", got)
			}
		})
	}
	t.Cleanup(func() { silent.Close() })
}

// TestMongoSettings: whatever the address says, writes wait for the majority and its journal, and reads are of what the majority has.
func TestMongoSettings(t *testing.T) {
	w := newWire(t, storing())
	s := mongoAt(t, w.addr, "x?w=1&journal=false&readPreference=secondary&readConcernLevel=local")
	if err := s.Save(t.Context(), 0, nil, chat.Mark{Seq: chat.MakeSeq(1, 5)}); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for command, field := range map[string]string{"insert state": "writeConcern", "find state": "readConcern"} {
		for _, c := range w.commands[command] {
			var got any
			for _, e := range c {
				if e.Key == field {
					got = e.Value
				}
			}
			data, err := bson.MarshalExtJSON(bson.D{{Key: field, Value: got}}, false, false)
			want := map[string]string{"writeConcern": `{"writeConcern":{"w":"majority","j":true}}`, "readConcern": `{"readConcern":{"level":"majority"}}`}[field]
			if err != nil || string(data) != want {
				t.Errorf("%s came with %s, %v", command, data, err)
			}
		}
	}
	if len(w.commands["insert state"]) == 0 || len(w.commands["find state"]) == 0 {
		t.Error("nothing was asked")
	}
}

// TestMongoWarnings: FerretDB and old servers are taken, and it is said what that means.
func TestMongoWarnings(t *testing.T) {
	for version, want := range map[string]string{"ferretdbVersion": "FerretDB stands in", "version": "older than 6.0"} {
		answers := storing()
		answers["buildInfo"] = bson.D{{Key: "ok", Value: 1}, {Key: version, Value: "5.0"}, {Key: "versionArray", Value: bson.A{5, 0}}}
		var out bytes.Buffer
		o, err := store.ParseMongo(newWire(t, answers).addr)
		if err != nil {
			t.Fatal(err)
		}
		o.Logger = slog.New(slog.NewTextHandler(&out, nil))
		s, err := store.OpenMongo(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s", version, out.String())
		}
	}
}

// TestForeignDatabase: what is another program's is left alone; and an index that is not ours is named.
func TestForeignDatabase(t *testing.T) {
	database := enginetest.Name(t)
	addr := enginetest.Mongo(t)
	db := rawMongo(t, addr, database)
	if _, err := db.Collection("rooms").InsertOne(t.Context(), bson.D{{Key: "number", Value: 12}}); err != nil {
		t.Fatal(err)
	}
	if got := openErr(t, addr+"/"+database); !strings.Contains(got, "belongs to another program") || !strings.Contains(got, "rooms") {
		t.Errorf("got %q", got)
	}
	if names, err := db.ListCollectionNames(t.Context(), bson.D{}); err != nil || len(names) != 1 {
		t.Errorf("afterwards it has %v, %v", names, err)
	}
	answers := storing()
	answers["listIndexes rows"] = cursor(bson.D{{Key: "v", Value: 2}, {Key: "key", Value: bson.D{{Key: "room", Value: 1}, {Key: "seq", Value: 1}}}, {Key: "name", Value: "place"}})
	if got := openErr(t, newWire(t, answers).addr); !strings.Contains(got, "index place of the collection rows") {
		t.Errorf("got %q", got)
	}
}

// TestMongoClosed: a store that is closed answers `unavailable`, and closing twice does no harm.
func TestMongoClosed(t *testing.T) {
	s, database := freshMongo(t)
	again := mongoAt(t, enginetest.Mongo(t), database)
	if err := errors.Join(again.Ping(t.Context()), again.Close(), again.Close()); err != nil {
		t.Fatal(err)
	}
	_, err := again.Page(t.Context(), "r", chat.Range{}, 1)
	for _, err := range []error{err, again.Ping(t.Context()), again.Save(t.Context(), 0, nil, chat.Mark{})} {
		if err == nil || chat.AsError(err).Code != chat.CodeUnavailable {
			t.Errorf("got %v, want unavailable", err)
		}
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
