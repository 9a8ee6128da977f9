package faulty

import (
	"context"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// State implements chat.Archive, as do the next three; a read.
func (s *Store) State(ctx context.Context) (chat.ArchiveState, error) {
	if err := s.pass(ctx, false); err != nil {
		return chat.ArchiveState{}, err
	}
	return s.engine.State(ctx)
}

// Save is a write.
func (s *Store) Save(ctx context.Context, p int, cs []chat.Change, w chat.Mark) error {
	if err := s.pass(ctx, true); err != nil {
		return err
	}
	return s.engine.Save(ctx, p, cs, w)
}

// Bury is a write.
func (s *Store) Bury(ctx context.Context, r chat.Record, reason string) error {
	if err := s.pass(ctx, true); err != nil {
		return err
	}
	return s.engine.Bury(ctx, r, reason)
}

// Adopt is a write.
func (s *Store) Adopt(ctx context.Context, l chat.LogInfo) error {
	if err := s.pass(ctx, true); err != nil {
		return err
	}
	return s.engine.Adopt(ctx, l)
}

// Page implements chat.Messages, as do the next three.
func (s *Store) Page(ctx context.Context, room chat.RoomID, r chat.Range, limit int) (chat.Page, error) {
	if err := s.pass(ctx, false); err != nil {
		return chat.Page{}, err
	}
	return s.engine.Page(ctx, room, r, limit)
}

// Changed is a read.
func (s *Store) Changed(ctx context.Context, room chat.RoomID, after chat.Seq, limit int) (chat.Page, error) {
	if err := s.pass(ctx, false); err != nil {
		return chat.Page{}, err
	}
	return s.engine.Changed(ctx, room, after, limit)
}

// ByID is a read.
func (s *Store) ByID(ctx context.Context, room chat.RoomID, id chat.MessageID) (chat.Record, error) {
	if err := s.pass(ctx, false); err != nil {
		return chat.Record{}, err
	}
	return s.engine.ByID(ctx, room, id)
}

// Seqs is a read.
func (s *Store) Seqs(ctx context.Context, room chat.RoomID, ids []chat.MessageID) (map[chat.MessageID]chat.Seq, error) {
	if err := s.pass(ctx, false); err != nil {
		return nil, err
	}
	return s.engine.Seqs(ctx, room, ids)
}

// Room implements chat.Directory, as do the next three.
func (s *Store) Room(ctx context.Context, id chat.RoomID) (chat.Room, chat.Seq, error) {
	if err := s.pass(ctx, false); err != nil {
		return chat.Room{}, 0, err
	}
	return s.engine.Room(ctx, id)
}

// List is a read.
func (s *Store) List(ctx context.Context, q chat.RoomQuery, c chat.Cursor) ([]chat.Room, chat.Cursor, error) {
	if err := s.pass(ctx, false); err != nil {
		return nil, "", err
	}
	return s.engine.List(ctx, q, c)
}

// Members is a read.
func (s *Store) Members(ctx context.Context, room chat.RoomID, c chat.Cursor, limit int) ([]chat.Member, chat.Cursor, error) {
	if err := s.pass(ctx, false); err != nil {
		return nil, "", err
	}
	return s.engine.Members(ctx, room, c, limit)
}

// RoomsOf is a read.
func (s *Store) RoomsOf(ctx context.Context, u chat.UserID, c chat.Cursor, limit int) ([]chat.Membership, chat.Cursor, error) {
	if err := s.pass(ctx, false); err != nil {
		return nil, "", err
	}
	return s.engine.RoomsOf(ctx, u, c, limit)
}
