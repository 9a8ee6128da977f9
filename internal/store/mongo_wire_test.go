package store_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// wire is a MongoDB server that answers as a test wants it to: what no FerretDB says can be said by it. See the MongoDB wire
// protocol.
type wire struct {
	addr string

	mu       sync.Mutex
	answers  map[string]bson.D   // by command, and its collection if it has one ("find rows"); what is not there is answered {ok: 1}
	commands map[string][]bson.D // what came, by the same names
	order    []string            // their names, as they came
}

func newWire(t *testing.T, answers map[string]bson.D) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: "mongodb://" + l.Addr().String(), answers: answers, commands: map[string][]bson.D{}}
	for _, hello := range []string{"hello", "isMaster"} { // a member that does not name itself is none
		answers[hello] = append(answers[hello], bson.E{Key: "hosts", Value: bson.A{l.Addr().String()}}, bson.E{Key: "me", Value: l.Addr().String()})
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { w.serve(c) })
			t.Cleanup(func() { c.Close() })
		}
	})
	t.Cleanup(func() { l.Close() })
	return w
}

func (w *wire) serve(c net.Conn) {
	defer c.Close()
	for {
		var head [16]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		body := make([]byte, int(binary.LittleEndian.Uint32(head[:]))-16)
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		reply := []byte{0, 0, 0, 0, 0} // OP_MSG: flags, and a section of one document
		op, at := uint32(2013), 5
		if binary.LittleEndian.Uint32(head[12:]) == 2004 { // a driver's first words are an OP_QUERY, answered by OP_REPLY
			op, at = 1, 4+bytes.IndexByte(body[4:], 0)+1+8
			reply = append(make([]byte, 16), 1, 0, 0, 0)
		}
		doc, err := bson.Marshal(w.answer(body[at:], op == 2013))
		if err != nil {
			return
		}
		msg := binary.LittleEndian.AppendUint32(nil, uint32(16+len(reply)+len(doc)))
		msg = binary.LittleEndian.AppendUint32(msg, 1)
		msg = append(msg, head[4:8]...) // what it answers to
		msg = binary.LittleEndian.AppendUint32(msg, op)
		if _, err := c.Write(append(append(msg, reply...), doc...)); err != nil {
			return
		}
	}
}

// answer answers a command. Behind its document an OP_MSG may have a sequence of others, which belong into a field of it.
func (w *wire) answer(data []byte, sequences bool) bson.D {
	var command bson.D
	size := binary.LittleEndian.Uint32(data)
	if err := bson.Unmarshal(data[:size], &command); err != nil || len(command) == 0 {
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 9}, {Key: "errmsg", Value: "not understood"}}
	}
	if rest := data[size:]; sequences && len(rest) > 5 && rest[0] == 1 {
		end := bytes.IndexByte(rest[5:], 0) + 5
		list := bson.A{}
		for docs := rest[end+1:]; len(docs) > 4; docs = docs[binary.LittleEndian.Uint32(docs):] {
			list = append(list, bson.Raw(docs[:binary.LittleEndian.Uint32(docs)]))
		}
		command = append(command, bson.E{Key: string(rest[5:end]), Value: list})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	name := command[0].Key
	if collection, ok := command[0].Value.(string); ok {
		name += " " + collection
	}
	w.commands[name], w.order = append(w.commands[name], command), append(w.order, name)
	if answer, ok := w.answers[name]; ok {
		return answer
	}
	return bson.D{{Key: "ok", Value: 1}}
}

func (w *wire) set(command string, answer bson.D) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[command] = answer
}

// member is what a primary of a replica set says of itself.
func member(more ...bson.E) bson.D {
	return append(bson.D{{Key: "ok", Value: 1}, {Key: "isWritablePrimary", Value: true}, {Key: "maxWireVersion", Value: 21}, {Key: "minWireVersion", Value: 0},
		{Key: "maxBsonObjectSize", Value: 16 << 20}, {Key: "maxMessageSizeBytes", Value: 48000000}, {Key: "maxWriteBatchSize", Value: 100000}}, more...)
}

// cursor is the answer of find with these documents.
func cursor(docs ...any) bson.D {
	if docs == nil {
		docs = bson.A{}
	}
	return bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "db.c"}, {Key: "firstBatch", Value: bson.A(docs)}}}}
}

// storing gives the answers of a replica set that holds a store with a log of one partition.
func storing() map[string]bson.D {
	index := func(name string, unique bool, keys ...string) bson.D {
		key := bson.D{}
		for _, k := range keys {
			key = append(key, bson.E{Key: k, Value: 1})
		}
		return bson.D{{Key: "v", Value: 2}, {Key: "key", Value: key}, {Key: "name", Value: name}, {Key: "unique", Value: unique}}
	}
	return map[string]bson.D{
		"hello":     member(bson.E{Key: "setName", Value: "rs0"}),
		"isMaster":  member(bson.E{Key: "setName", Value: "rs0"}),
		"buildInfo": {{Key: "ok", Value: 1}, {Key: "version", Value: "7.0.1"}, {Key: "versionArray", Value: bson.A{7, 0, 1, 0}}},
		"find state": cursor(bson.D{{Key: "_id", Value: "store"}, {Key: "p", Value: -2}, {Key: "name", Value: "x-0"}, {Key: "schema", Value: 1}},
			bson.D{{Key: "_id", Value: "log/1"}, {Key: "p", Value: -1}, {Key: "name", Value: "log"}, {Key: "generation", Value: 1}, {Key: "partitions", Value: 1}}),
		"find rows":    cursor(),
		"find rooms":   cursor(),
		"find members": cursor(),
		"insert rows":  {{Key: "ok", Value: 1}, {Key: "n", Value: 1}},
		"insert state": {{Key: "ok", Value: 1}, {Key: "n", Value: 1}},
		"insert dead":  {{Key: "ok", Value: 1}, {Key: "n", Value: 1}},
		"listIndexes rows": cursor(index("place", true, "room", "seq"), index("talk", false, "room", "talk", "seq"),
			index("edits", false, "room", "edited", "rev")),
		"listIndexes rooms":   cursor(index("name", false, "name", "_id")),
		"listIndexes members": cursor(index("room", false, "room", "user"), index("state", false, "room", "state"), index("user", false, "user", "room")),
	}
}

// count says how often a command came.
func (w *wire) count(command string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.commands[command])
}
