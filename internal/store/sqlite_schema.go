package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"
)

// schemaVersion is the schema this program reads and writes; it stands in the file's user_version. Each version's step leads from the
// one before, and is never changed once released.
const schemaVersion = 3

// applicationID marks a file as ours ("Hubb"), see SQLite's file format, §1.3.
const applicationID = 0x48756262

// steps lead from one schema version to the next: steps[0] makes version 1 of an empty file.
func steps() []string { return []string{schemaV1, schemaV2, schemaV3} }

// schemaV2 gives the store a name of its own: see chat.ArchiveState.
const schemaV2 = `
CREATE TABLE store (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  name TEXT    NOT NULL CHECK (name <> '')
);
`

// schemaV3 has a row's place in one index instead of two: among the talk, or among the moves (joins, leaves, changes of a room). Each index
// of places is a page written per room and save, and those pages are most of what a busy store writes. That no place is taken twice, once as
// talk and once as a move, is seen to by triggers; they see a copy on such a place too, which only a log that went back can hold. The indexes
// are there before the rows: made afterwards each would be sorted in memory as a whole.
const schemaV3 = `
ALTER TABLE rows RENAME TO old;
DROP INDEX IF EXISTS rows_talk;
DROP INDEX IF EXISTS rows_rev;
CREATE TABLE rows (
  room    TEXT    NOT NULL CHECK (room <> ''),
  seq     INTEGER NOT NULL CHECK (seq > 0),
  rev     INTEGER NOT NULL CHECK (rev >= seq),
  id      TEXT    NOT NULL UNIQUE CHECK (id <> ''),
  kind    INTEGER NOT NULL CHECK (kind > 0),
  user    TEXT    NOT NULL,
  subject TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  sent    INTEGER NOT NULL,
  sum     INTEGER NOT NULL,
  body    BLOB    NOT NULL CHECK (length(body) BETWEEN 2 AND 1048576)
);` + indexes + `
INSERT INTO rows SELECT room, seq, rev, id, kind, user, subject, at, sent, sum, body FROM old ORDER BY rowid;
DROP TABLE old;` + triggers

// Kinds 1 and 7 are chat.KindMessage and chat.KindTombstone: what a page shows unless all kinds are asked for. A body beyond 1 MiB is
// four times what a log may carry: such a row can never be right, and is refused for good rather than for now.
const schemaV1 = `
CREATE TABLE log (
  one        INTEGER PRIMARY KEY CHECK (one = 1),
  id         TEXT    NOT NULL CHECK (id <> ''),
  generation INTEGER NOT NULL,
  partitions INTEGER NOT NULL CHECK (partitions > 0)
);
CREATE TABLE marks (
  partition INTEGER PRIMARY KEY,
  seq       INTEGER NOT NULL,
  proof     INTEGER NOT NULL
);
CREATE TABLE rows (
  room    TEXT    NOT NULL CHECK (room <> ''),
  seq     INTEGER NOT NULL CHECK (seq > 0),
  rev     INTEGER NOT NULL CHECK (rev >= seq),
  id      TEXT    NOT NULL UNIQUE CHECK (id <> ''),
  kind    INTEGER NOT NULL CHECK (kind > 0),
  user    TEXT    NOT NULL,
  subject TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  sent    INTEGER NOT NULL,
  sum     INTEGER NOT NULL,
  body    BLOB    NOT NULL CHECK (length(body) BETWEEN 2 AND 1048576),
  UNIQUE (room, seq)
);
CREATE INDEX rows_talk ON rows (room, seq) WHERE kind IN (1, 7);
CREATE INDEX rows_rev  ON rows (room, rev) WHERE rev > seq;
CREATE TABLE rooms (
  id      TEXT    PRIMARY KEY NOT NULL,
  name    TEXT    NOT NULL,
  folded  TEXT    NOT NULL,
  topic   TEXT    NOT NULL,
  private INTEGER NOT NULL,
  owner   TEXT    NOT NULL,
  created INTEGER NOT NULL,
  members INTEGER NOT NULL,
  seq     INTEGER NOT NULL,
  rev     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX rooms_name ON rooms (name, id);
CREATE TABLE members (
  room   TEXT    NOT NULL,
  user   TEXT    NOT NULL,
  state  INTEGER NOT NULL,
  joined INTEGER NOT NULL,
  rev    INTEGER NOT NULL,
  name   TEXT    NOT NULL,
  guest  INTEGER NOT NULL,
  PRIMARY KEY (room, user)
) WITHOUT ROWID;
CREATE INDEX members_user ON members (user, room);
CREATE TABLE dead (
  room   TEXT    NOT NULL,
  seq    INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  reason TEXT    NOT NULL,
  record BLOB    NOT NULL,
  PRIMARY KEY (room, seq)
) WITHOUT ROWID;
`

// indexes are those of schema 3, as they are made anew where one was dropped: pages name them, and would not be had without.
const indexes = `
CREATE UNIQUE INDEX IF NOT EXISTS rows_talk  ON rows (room, seq) WHERE kind IN (1, 7);
CREATE UNIQUE INDEX IF NOT EXISTS rows_moves ON rows (room, seq) WHERE kind NOT IN (1, 7);
CREATE INDEX IF NOT EXISTS rows_rev  ON rows (room, rev) WHERE rev > seq;
CREATE INDEX IF NOT EXISTS rooms_name ON rooms (name, id);
CREATE INDEX IF NOT EXISTS members_user ON members (user, room);
`

// triggers go with the indexes. They FAIL: nothing of the statement is undone, for which SQLite would keep every page of it twice.
const triggers = `
CREATE TRIGGER IF NOT EXISTS rows_talk_place BEFORE INSERT ON rows WHEN NEW.kind IN (1, 7) AND EXISTS
  (SELECT 1 FROM rows INDEXED BY rows_moves WHERE kind NOT IN (1, 7) AND room = NEW.room AND seq = NEW.seq AND id <> NEW.id)
  BEGIN SELECT RAISE(FAIL, 'the place is taken by a move'); END;
CREATE TRIGGER IF NOT EXISTS rows_moves_place BEFORE INSERT ON rows WHEN NEW.kind NOT IN (1, 7) AND EXISTS
  (SELECT 1 FROM rows INDEXED BY rows_talk WHERE kind IN (1, 7) AND room = NEW.room AND seq = NEW.seq AND id <> NEW.id)
  BEGIN SELECT RAISE(FAIL, 'the place is taken by talk'); END;
`

// mendIndexes makes the indexes and triggers that are missing, and ends the transaction.
func mendIndexes(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, indexes+triggers); err != nil {
		return fmt.Errorf("make the indexes: %w", err)
	}
	return tx.Commit()
}

// stamped reads the schema version that stands in the file; a newer one, or another program's file, is refused.
func stamped(ctx context.Context, tx *sql.Tx) (version int, err error) {
	var app, tables int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, err
	}
	if err := tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return 0, err
	}
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return 0, err
	}
	switch {
	case app != applicationID && (app != 0 || version != 0 || tables != 0):
		return version, errForeign
	case version > schemaVersion:
		return version, newerSchema{version}
	}
	return version, nil
}

// migrate brings the file to schemaVersion, in one transaction; a newer one, or another program's file, is refused.
func migrate(ctx context.Context, db *sql.DB, logger *slog.Logger) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	version, err := stamped(ctx, tx)
	switch {
	case err != nil:
		return err
	case version == schemaVersion:
		return mendIndexes(ctx, tx)
	case version > 0:
		logger.Warn("the store is brought to a newer schema; nothing is served until that is done", "from", version, "to", schemaVersion)
	}
	began := time.Now()
	for _, step := range steps()[version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("bring the schema from %d to %d: %w", version, schemaVersion, err)
		}
	}
	stamp := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, schemaVersion)
	_, err = tx.ExecContext(ctx, stamp)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("bring the schema from %d to %d: %w", version, schemaVersion, err)
	}
	if version > 0 {
		logger.Warn("the store has the newer schema", "took", time.Since(began).Round(time.Millisecond))
	}
	return nil
}
