package store_test

import (
	"path/filepath"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// TestADroppedIndexIsMadeAnew: the queries of pages name their indexes, so that a file without them would answer nothing.
func TestADroppedIndexIsMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	closeStore(t, openAt(t, path))
	rawSQL(t, path, "DROP INDEX rows_talk", "DROP INDEX rows_moves", "DROP INDEX rows_rev", "DROP INDEX rooms_name", "DROP INDEX members_user",
		"DROP TRIGGER rows_talk_place", "DROP TRIGGER rows_moves_place")
	s := openAt(t, path)
	if _, err := s.Page(t.Context(), "lobby", chat.Range{}, 10); err != nil {
		t.Errorf("a page: %v", err)
	}
	if _, err := s.Changed(t.Context(), "lobby", 1, 10); err != nil {
		t.Errorf("changes: %v", err)
	}
	closeStore(t, s)
	closeStore(t, openAt(t, path))
}
