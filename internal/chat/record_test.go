package chat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func sample() chat.Record {
	return chat.Record{Kind: chat.KindMessage, Room: "r", ID: "i", User: "u", Subject: "s", Sent: 1700000000000, Sum: 1 << 63,
		Body: []byte(`{"id":"i","text":"hé\u001e"}`)}
}

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range []chat.Record{sample(), {Kind: chat.KindLeave, Sent: -1, Body: []byte{}}} {
		got, err := chat.ParseRecord(chat.AppendRecord(nil, r))
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestRecordDamaged(t *testing.T) {
	whole := chat.AppendRecord(nil, sample())
	for n := range len(whole) - len(sample().Body) {
		if _, err := chat.ParseRecord(whole[:n]); err == nil {
			t.Errorf("the first %d bytes were taken for a record", n)
		}
	}
	for first, isNewer := range map[byte]bool{0: false, 2: true, 9: true, 31: true, 32: false, '{': false, 0xff: false} {
		other := bytes.Clone(whole)
		other[0] = first
		if _, err := chat.ParseRecord(other); err == nil || errors.Is(err, chat.ErrNewer) != isNewer {
			t.Errorf("what begins with %d: %v", first, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(chat.AppendRecord(nil, sample()))
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := chat.ParseRecord(data)
		if err != nil {
			return
		}
		again, err := chat.ParseRecord(chat.AppendRecord(nil, r))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}

func TestNotesRoundTrip(t *testing.T) {
	r := sample()
	r.Seq, r.At = chat.MakeSeq(1, 7), 1700000000001
	notes := []struct {
		data []byte
		want any
	}{
		{chat.Span{From: 3, To: r.Seq, Records: []chat.Record{r, r}}.Encode(), chat.Span{From: 3, To: r.Seq, Records: []chat.Record{r, r}}},
		{chat.Span{To: 9}.Encode(), chat.Span{To: 9}},
		{chat.Digest{P0: 1, P1: 5, Heads: map[chat.RoomID]chat.Seq{"a": 2, "b": 5}}.Encode(), chat.Digest{P0: 1, P1: 5, Heads: map[chat.RoomID]chat.Seq{"a": 2, "b": 5}}},
		{chat.Whisper{Name: "typing", From: "u", Body: []byte(`{"a":1}`)}.Encode(), chat.Whisper{Name: "typing", From: "u", Body: []byte(`{"a":1}`)}},
	}
	for _, n := range notes {
		got, err := chat.ParseNote(n.data)
		if err != nil || !reflect.DeepEqual(got, n.want) {
			t.Errorf("%+v, %v", got, err)
		}
		for cut := range len(n.data) - 8 { // the tail of a whisper's body may be cut unseen: it is JSON
			if cut > 0 && n.data[0] == 'W' {
				continue
			}
			if got, err := chat.ParseNote(n.data[:cut]); err == nil {
				t.Errorf("the first %d bytes were taken for %+v", cut, got)
			}
		}
	}
}

func FuzzParseNote(f *testing.F) {
	f.Add(chat.Span{From: 3, To: 9, Records: []chat.Record{sample()}}.Encode())
	f.Add(chat.Digest{P0: 1, P1: 5, Heads: map[chat.RoomID]chat.Seq{"a": 2}}.Encode())
	f.Add(chat.Whisper{Name: "typing", From: "u", Body: []byte(`{}`)}.Encode())
	f.Add([]byte{'S', 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := chat.ParseNote(data)
		if err != nil {
			return
		}
		var again any
		switch v := v.(type) {
		case chat.Span:
			again, err = chat.ParseNote(v.Encode())
		case chat.Digest:
			again, err = chat.ParseNote(v.Encode())
		case chat.Whisper:
			again, err = chat.ParseNote(v.Encode())
		}
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%+v became %+v, %v", v, again, err)
		}
	})
}

func TestEventKeepsTheBodysBytes(t *testing.T) {
	text := "a\u001e\u2028<b>\\ é"
	body := chat.Body{ID: "i", RoomID: "r", User: chat.User{ID: "u", Name: "U"}, Text: &text, At: 5}.Encode()
	if bytes.ContainsRune(body, 0x1e) {
		t.Error("a raw U+001E is in the body")
	}
	event := chat.AppendEvent(nil, chat.Record{Seq: 1 << 52, Body: body})
	var got struct {
		Seq  int64
		Text string
	}
	if err := json.Unmarshal(event, &got); err != nil || got.Seq != 1<<52 || got.Text != text || !bytes.HasSuffix(event, body[1:]) {
		t.Errorf("%s: %+v, %v", event, got, err)
	}
	if e := chat.AppendEvent(nil, chat.Record{Seq: 2, Body: []byte("{}")}); string(e) != `{"seq":2}` {
		t.Errorf("%s", e)
	}
}

func TestIDs(t *testing.T) {
	if chat.MakeMessageID("ab", "c", "d") == chat.MakeMessageID("a", "bc", "d") {
		t.Error("parts of an id run together")
	}
	s := chat.MakeSeq(chat.MaxGeneration, 1<<43-1)
	if s >= 1<<53 || s.Generation() != chat.MaxGeneration || s.Offset() != 1<<43-1 {
		t.Errorf("seq %d", s)
	}
	seen := map[int]bool{}
	for i := range 1000 {
		seen[chat.PartitionOf(chat.MakeRoomID("u", string(rune(i))), 64)] = true
	}
	if len(seen) != 64 || maps.Keys(seen) == nil {
		t.Errorf("1000 rooms lie in %d of 64 partitions", len(seen))
	}
}
