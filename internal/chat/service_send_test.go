package chat_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func TestTextRules(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		for name, c := range map[string]struct {
			text string
			want chat.Code
		}{
			"plain":               {"hello", "ok"},
			"lines and tabs":      {"a\n\tb", "ok"},
			"control characters":  {"a\x01\x1e\x1fb\u0085", "ok"},
			"as long as may be":   {strings.Repeat("x", 16<<10), "ok"},
			"only control":        {"\x01\x1e", "ok"},
			"too long":            {strings.Repeat("x", 16<<10+1), "too_large"},
			"empty":               {"", "invalid"},
			"blank":               {" \n\t\u00a0\u3000", "invalid"},
			"invisible":           {"\u200b\u200d\ufeff\u2060", "invalid"},
			"blanks that pretend": {"\u3164\u2800\u115f", "invalid"},
			"U+0000":              {"a\x00b", "invalid"},
			"not UTF-8":           {"a\xffb", "invalid"},
			"half a surrogate":    {"a\xed\xa0\x80b", "invalid"},
			"emoji":               {"👩‍👩‍👧", "ok"},
		} {
			req := hello(fresh())
			req.Text = c.text
			if _, err := h.send(ann, req); code(err) != c.want {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if c.want != "ok" {
				continue
			}
			rs := h.Records()
			body := rs[len(rs)-1].Body
			got, err := chat.ParseBody(body)
			if err != nil || *got.Text != c.text {
				t.Errorf("%s: kept %q, %v", name, body, err)
			}
			for _, b := range body {
				if b < 0x20 {
					t.Errorf("%s: a raw control character in %q", name, body)
				}
			}
		}
	})
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"  Ann   B\t\nC ":        "Ann B C",
		"Zoë":                    "Zoë",
		"":                       "invalid",
		"   ":                    "invalid",
		"\u200b\u200b":           "invalid",
		"a\u202eb":               "invalid",
		"a\u2066b":               "invalid",
		"a\u200fb":               "invalid",
		"a\x07b":                 "invalid",
		"a\x00b":                 "invalid",
		"a\u2028b":               "a b", // white space to Unicode
		"a\xffb":                 "invalid",
		strings.Repeat("x", 80):  strings.Repeat("x", 80),
		strings.Repeat("x", 81):  "too_large",
		strings.Repeat("é", 60):  strings.Repeat("é", 60),
		strings.Repeat("語", 70):  "too_large", // 210 bytes
		strings.Repeat(" ", 900): "too_large",
	} {
		got, err := chat.NormaliseName(in, 200)
		if err != nil {
			got = string(code(err))
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzNormaliseName(f *testing.F) {
	for _, s := range []string{"Ann", " a  b ", "\u202e", "\x00", "\xff", "e\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, err := chat.NormaliseName(s, 200)
		if err != nil {
			return
		}
		again, err := chat.NormaliseName(out, 200)
		if err != nil || again != out || !utf8.ValidString(out) || len(out) > 200 || strings.TrimSpace(out) == "" {
			t.Errorf("%q became %q, then %q (%v)", s, out, again, err)
		}
	})
}

func FuzzUUIDv7Time(f *testing.F) {
	f.Add(chat.NewUUIDv7(time.UnixMilli(1)))
	f.Add("0b1f6d1e-7c1a-4b7e-9d39-2f1c3f4e5a6b")
	f.Add("------------------------------------")
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := chat.UUIDv7Time(s)
		if ok && (len(s) != 36 || s[14] != '7' || at.UnixMilli() < 0 || at.UnixMilli() >= 1<<48) {
			t.Errorf("%q: %v", s, at)
		}
		if ok && !chat.ValidClientID(s) {
			t.Errorf("%q is a UUIDv7 but no clientId", s)
		}
	})
}

func TestClientIDs(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_123)
	if at, ok := chat.UUIDv7Time(chat.NewUUIDv7(now)); !ok || !at.Equal(now) {
		t.Errorf("a UUIDv7 of %v gives %v, %v", now, at, ok)
	}
	for id, want := range map[string]bool{"a": true, "A-b_c.d:9": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "a b": false, "ä": false, "a\x00": false, "a/b": false} {
		if chat.ValidClientID(id) != want {
			t.Errorf("%q: not %v", id, want)
		}
	}
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		for _, id := range []string{"", "a b", strings.Repeat("a", 65)} {
			if _, err := h.send(ann, hello(id)); code(err) != chat.CodeInvalid {
				t.Errorf("send under %q: %v", id, err)
			}
		}
	})
}

func TestReplies(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		first, err := h.send(ann, hello(fresh()))
		h.must(err)
		other := h.create(ann, "Other", false)
		there, err := h.send(ann, chat.SendRequest{Room: other, ClientID: fresh(), Text: "x"})
		h.must(err)
		join := h.Records()[1] // of the lobby
		for name, c := range map[string]struct {
			to   chat.MessageID
			want chat.Code
		}{
			"a message":                 {first.ID, "ok"},
			"a message of another room": {there.ID, "not_found"},
			"a join":                    {join.ID, "not_found"},
			"nothing":                   {"nothing", "not_found"},
		} {
			for _, forgotten := range []bool{false, true} {
				if forgotten {
					h.Forget(chat.LobbyID)
				}
				req := hello(fresh())
				req.ReplyTo = c.to
				if _, err := h.send(ann, req); code(err) != c.want {
					t.Errorf("%s, forgotten %v: %v", name, forgotten, err)
				}
			}
		}
		h.SetStoreDown(true)
		req := hello(fresh())
		req.ReplyTo = first.ID
		if _, err := h.send(ann, req); code(err) != chat.CodeUnavailable {
			t.Errorf("a reply to an old message without a store: %v", err)
		}
	})
}

func TestTypingIsThrottled(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		ctx := context.Background()
		say := func(is bool, want int) {
			t.Helper()
			_, before := h.Channels()
			h.must(h.Typing(ctx, ann, chat.LobbyID, is))
			if _, after := h.Channels(); after-before != want {
				t.Errorf("%d notes, want %d", after-before, want)
			}
		}
		say(false, 0)
		say(true, 1)
		say(true, 0)
		time.Sleep(2 * time.Second)
		say(true, 1)
		say(false, 1)
		say(false, 0)
		say(true, 1)
	})
}

func TestAnInvitationReachesTheInvited(t *testing.T) {
	in(t, chat.Limits{}, func(t *testing.T, h house) {
		ctx, ann := context.Background(), user("ann")
		room := h.create(ann, "Secret", true)
		var heard []chat.Whisper
		stop := h.Ports().Bus.Subscribe(chat.UserChannel("bob"), func(data []byte) {
			n, err := chat.ParseNote(data)
			h.must(err)
			heard = append(heard, n.(chat.Whisper))
		})
		defer stop()
		h.must(h.Invite(ctx, ann, room, "", "bob"))
		synctest.Wait()
		if len(heard) != 1 || heard[0].Name != "room:invited" {
			t.Fatalf("heard %+v", heard)
		}
		var body struct {
			Room chat.Room
			User chat.User
			At   int64
		}
		h.must(json.Unmarshal(heard[0].Body, &body))
		if body.Room.ID != room || body.User != ann || body.At == 0 {
			t.Errorf("body %s", heard[0].Body)
		}
		for _, bad := range []chat.UserID{"", chat.SystemUser, "a\x00b", chat.UserID(strings.Repeat("x", 129))} {
			if err := h.Invite(ctx, ann, room, "", bad); code(err) != chat.CodeInvalid {
				t.Errorf("invite %q: %v", bad, err)
			}
		}
		_, err := h.Join(ctx, user("bob"), room, "")
		h.must(err)
		h.must(h.Invite(ctx, ann, room, "", "bob")) // a member: changes nothing, and he is not told
		if len(heard) != 1 {
			t.Errorf("heard %+v", heard)
		}
	})
}

func TestMembersArePaged(t *testing.T) {
	in(t, chat.Limits{}, func(t *testing.T, h house) {
		ctx := context.Background()
		room := h.create(user("u000"), "Crowd", false)
		for i := 1; i < 250; i++ {
			_, err := h.Join(ctx, user("u"+string(rune('0'+i/100))+string(rune('0'+i/10%10))+string(rune('0'+i%10))), room, "")
			h.must(err)
		}
		var got []chat.UserID
		for cursor := chat.Cursor(""); ; {
			p, err := h.Members(ctx, "u000", chat.MembersRequest{Room: room, Cursor: cursor, Limit: 100})
			h.must(err)
			for _, m := range p.Members {
				got = append(got, m.ID)
			}
			if cursor = p.Next; cursor == "" || p.Count != 250 {
				break
			}
		}
		if len(got) != 250 || got[0] != "u000" || got[249] != "u249" {
			t.Errorf("%d members, %v … %v", len(got), got[0], got[len(got)-1])
		}
		if _, err := h.Members(ctx, "u000", chat.MembersRequest{Room: room, Cursor: "!"}); code(err) != chat.CodeInvalid {
			t.Errorf("a bad cursor: %v", err)
		}
	})
}
