package chat

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// SendRequest asks for a message.
type SendRequest struct {
	Room     RoomID
	ClientID string
	Text     string
	ReplyTo  MessageID // of a message of the same room; empty: none
}

// Sent is the answer: where the message is.
type Sent struct {
	ID  MessageID `json:"id"`
	Seq Seq       `json:"seq,omitempty"` // 0: the log did not tell
	At  int64     `json:"at"`            // ms since 1970
}

// Send makes a message. done runs exactly once, perhaps before Send returns, and must not block: with nil once the message is durable;
// else with an *Error, of which only `unknown` leaves open whether it will be.
func (s *Service) Send(ctx context.Context, u User, in SendRequest, done func(Sent, error)) {
	refuse := func(err error) { done(Sent{}, err) }
	if !ValidClientID(in.ClientID) {
		refuse(errClientID)
		return
	}
	if err := checkText(in.Text, s.limits.TextBytes); err != nil {
		refuse(err)
		return
	}
	view, err := s.view(ctx, in.Room)
	if err != nil {
		refuse(err)
		return
	}
	rec, body := s.record(KindMessage, in.Room, u, in.ClientID)
	body.ClientID, body.Text, body.ReplyTo = in.ClientID, &in.Text, in.ReplyTo
	rec.Body, rec.Sum = body.Encode(), ContentSum("message", in.Text, string(in.ReplyTo))
	allow := func() error {
		if err := memberOnly(view, u.ID); err != nil {
			return err
		}
		if in.ReplyTo == "" {
			return nil
		}
		return s.checkReply(ctx, in.Room, in.ReplyTo)
	}
	s.submit(ctx, submission{rec, in.ClientID, allow}, func(r Receipt, err error) {
		if err != nil {
			refuse(err)
			return
		}
		done(Sent{r.ID, r.Seq, r.Sent}, nil)
	})
}

var errClientID = Errorf(CodeInvalid, "clientId: must be 1 to %d of A–Z a–z 0–9 . _ : -", MaxClientID)

// record begins a record and its body: what all kinds have in common.
func (s *Service) record(k Kind, room RoomID, u User, clientID string) (Record, Body) {
	now, id := time.Now().UnixMilli(), MakeMessageID(room, u.ID, clientID)
	return Record{Kind: k, Room: room, ID: id, User: u.ID, Sent: now}, Body{ID: id, RoomID: room, User: u, At: now}
}

// checkReply finds the message that is answered, in the room's memory or in history.
func (s *Service) checkReply(ctx context.Context, room RoomID, id MessageID) error {
	none := Errorf(CodeNotFound, "replyTo: there is no such message in this room")
	if r, ok := s.ports.Rooms.Seen(room, id); ok && r.Seq != 0 {
		p, err := s.ports.Rooms.Page(ctx, room, Range{Around: r.Seq, All: true}, 2)
		if err == nil {
			for _, row := range p.Rows {
				if row.ID == id && row.Kind == KindMessage {
					return nil
				} else if row.ID == id {
					return none
				}
			}
		}
	}
	row, err := s.ports.History.ByID(ctx, room, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return none
	case err != nil:
		return refusal(err)
	case row.Kind != KindMessage:
		return none
	}
	return nil
}

// sumOf is the ContentSum of a request that has only optional fields beside its name: each says whether it was given.
func sumOf(kind string, fields ...*string) uint64 {
	parts := []string{kind}
	for i, f := range fields {
		if f != nil {
			parts = append(parts, strconv.Itoa(i), *f)
		}
	}
	return ContentSum(parts...)
}
