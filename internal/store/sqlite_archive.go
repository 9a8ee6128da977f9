package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// State implements chat.Archive.
func (s *SQLite) State(ctx context.Context) (chat.ArchiveState, error) {
	var st chat.ArchiveState
	err := s.read(ctx, "read the state", func(tx *sql.Tx) error {
		var err error
		st, err = readState(ctx, tx)
		return err
	})
	return st, err
}

func readState(ctx context.Context, tx *sql.Tx) (chat.ArchiveState, error) {
	var st chat.ArchiveState
	if err := tx.QueryRowContext(ctx, "SELECT name FROM store").Scan(&st.Store); err != nil {
		return st, err
	}
	var n int
	err := tx.QueryRowContext(ctx, "SELECT id, generation, partitions FROM log").Scan(&st.Log.ID, &st.Log.Generation, &n)
	if errors.Is(err, sql.ErrNoRows) {
		return st, nil
	}
	if err != nil {
		return st, err
	}
	st.Log.Partitions = make([]chat.Partition, n)
	st.W = make([]chat.Mark, n)
	rows, err := tx.QueryContext(ctx, "SELECT partition, seq, proof FROM marks WHERE partition < ?", n)
	if err != nil {
		return st, err
	}
	defer rows.Close()
	for rows.Next() {
		var p int
		var seq, proof int64
		if err := rows.Scan(&p, &seq, &proof); err != nil {
			return st, err
		}
		st.W[p] = chat.Mark{Seq: chat.Seq(seq), Proof: uint64(proof)}
	}
	return st, rows.Err()
}

// Adopt implements chat.Archive. W of every partition rises to the place before the log's first: what an older generation held lies
// below.
func (s *SQLite) Adopt(ctx context.Context, l chat.LogInfo) error {
	if err := checkLog(l); err != nil {
		return err
	}
	return s.write(ctx, "adopt a log", func(tx *sql.Tx) error {
		old, err := readState(ctx, tx)
		if err != nil {
			return err
		}
		if done, err := adoptable(old.Log, l); done || err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM marks WHERE partition >= ?", len(l.Partitions)); err != nil {
			return err
		}
		for p := range l.Partitions {
			if err := raise(ctx, tx, p, chat.Mark{Seq: chat.MakeSeq(l.Generation, 0) - 1}); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO log (one, id, generation, partitions) VALUES (1, ?, ?, ?)
			ON CONFLICT (one) DO UPDATE SET id = excluded.id, generation = excluded.generation, partitions = excluded.partitions`,
			l.ID, l.Generation, len(l.Partitions))
		return err
	})
}

// raise moves W of p up to w, never down.
func raise(ctx context.Context, tx *sql.Tx, p int, w chat.Mark) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO marks (partition, seq, proof) VALUES (?, ?, ?)
		ON CONFLICT (partition) DO UPDATE SET seq = excluded.seq, proof = excluded.proof WHERE excluded.seq > marks.seq`,
		p, int64(w.Seq), int64(w.Proof))
	return err
}

// Bury implements chat.Archive. Burying a record again keeps the first reason.
func (s *SQLite) Bury(ctx context.Context, r chat.Record, reason string) error {
	return s.write(ctx, "bury a record", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO dead (room, seq, at, reason, record) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (room, seq) DO NOTHING`, string(r.Room), int64(r.Seq), r.At, reason, chat.AppendRecord(nil, r))
		return err
	})
}

// Dead is a record that could never be stored, and why.
type Dead struct {
	Record chat.Record
	Reason string
}

// Dead gives up to limit buried records, by room, then seq.
func (s *SQLite) Dead(ctx context.Context, limit int) ([]Dead, error) {
	if err := checkLimit(limit); err != nil {
		return nil, err
	}
	var out []Dead
	err := s.read(ctx, "read the dead", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT seq, at, reason, record FROM dead ORDER BY room, seq LIMIT ?", limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d Dead
			var seq, at int64
			var data []byte
			if err := rows.Scan(&seq, &at, &d.Reason, &data); err != nil {
				return err
			}
			if d.Record, err = chat.ParseRecord(data); err != nil {
				return fmt.Errorf("a dead record at %d: %w", seq, err)
			}
			d.Record.Seq, d.Record.At = chat.Seq(seq), at
			out = append(out, d)
		}
		return rows.Err()
	})
	return out, err
}

// partitions gives the count of the remembered log's partitions, 0 if there is none yet.
func partitions(ctx context.Context, tx *sql.Tx) (int, error) {
	var n int
	err := tx.QueryRowContext(ctx, "SELECT partitions FROM log").Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// watermark gives W of the room's partition; 0 as long as no log is remembered.
func watermark(ctx context.Context, tx *sql.Tx, room chat.RoomID) (chat.Seq, error) {
	n, err := partitions(ctx, tx)
	if n == 0 || err != nil {
		return 0, err
	}
	var w int64
	err = tx.QueryRowContext(ctx, "SELECT seq FROM marks WHERE partition = ?", chat.PartitionOf(room, n)).Scan(&w)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return chat.Seq(w), err
}
