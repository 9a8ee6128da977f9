package segment

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// ManifestName is the file that says what a directory holds.
const ManifestName = "log.json"

// Manifest names a log: it is written when the directory is made, and once more for each further generation.
type Manifest struct {
	Format     int    `json:"format"`
	ID         string `json:"id"` // 32 hex digits
	Generation int    `json:"generation"`
	Partitions int    `json:"partitions"`
}

// LogID gives the id as it stands in segment headers.
func (m Manifest) LogID() (ID, error) {
	b, err := hex.DecodeString(m.ID)
	if err != nil || len(b) != len(ID{}) {
		return ID{}, fmt.Errorf("%s: the id %q is not 32 hex digits", ManifestName, m.ID)
	}
	return ID(b), nil
}

// ReadManifest reads log.json. It is fs.ErrNotExist where there is none, *FormatError for a newer one.
func ReadManifest(dir FS) (Manifest, error) {
	var m Manifest
	f, size, err := dir.Open(ManifestName, false)
	if err != nil {
		return m, fmt.Errorf("open %s: %w", ManifestName, err)
	}
	defer f.Close()
	b := make([]byte, min(size, 4096))
	if n, err := f.ReadAt(b, 0); n < len(b) && !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("read %s: %w", ManifestName, err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%s is not what a hubbub writes: %w", ManifestName, err)
	}
	if m.Format > FormatVersion {
		return m, &FormatError{Found: m.Format}
	}
	if _, err := m.LogID(); err != nil {
		return m, err
	}
	if m.Format < 1 || m.Generation < 1 || m.Partitions < 1 {
		return m, fmt.Errorf("%s is not what a hubbub writes: format %d, generation %d, partitions %d", ManifestName, m.Format, m.Generation, m.Partitions)
	}
	return m, nil
}

// EnsureManifest reads log.json, or makes it in a directory that holds no log yet: generation 1, a fresh id. Another count of partitions
// than the log has is *IdentityError. Call it under the lock.
func EnsureManifest(dir FS, partitions int) (Manifest, error) {
	m, err := ReadManifest(dir)
	if err == nil {
		if m.Partitions != partitions {
			return m, &IdentityError{Reason: fmt.Sprintf("the log has a partition count of %d, fixed for its life, but %d was asked for: "+
				"start with %d, or begin a new generation with `hubbub log next`", m.Partitions, partitions, m.Partitions)}
		}
		return m, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	names, err := dir.List()
	if err != nil {
		return m, fmt.Errorf("list the log directory: %w", err)
	}
	for _, n := range names {
		if strings.HasSuffix(n, fileSuffix) {
			return m, &IdentityError{Reason: fmt.Sprintf("the log directory holds %s but no %s: put that file back, or move the rest away", n, ManifestName)}
		}
	}
	var id ID
	if _, err := rand.Read(id[:]); err != nil {
		return m, fmt.Errorf("make a log id: %w", err)
	}
	m = Manifest{Format: FormatVersion, ID: id.String(), Generation: 1, Partitions: partitions}
	return m, writeManifest(dir, m)
}

// NextManifest begins the generation behind after, with as many partitions and an id of its own, in one step. Another generation than after
// is *IdentityError: somebody has been there before. The files of the old one are left where they are. Call it under the lock.
func NextManifest(dir FS, after int) (Manifest, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return m, err
	}
	if m.Generation != after {
		return m, &IdentityError{Reason: fmt.Sprintf("the log is at generation %d, not %d", m.Generation, after)}
	}
	var id ID
	if _, err := rand.Read(id[:]); err != nil {
		return m, fmt.Errorf("make a log id: %w", err)
	}
	m.Generation++
	m.ID = id.String()
	return m, writeManifest(dir, m)
}

// writeManifest puts log.json in place in one step: whole and durable, or not there.
func writeManifest(dir FS, m Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", ManifestName, err)
	}
	const temp = ManifestName + ".new"
	if err := dir.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a left-over %s: %w", temp, err)
	}
	f, _, err := dir.Open(temp, true)
	if err != nil {
		return fmt.Errorf("make %s: %w", temp, err)
	}
	err = writeAll(f, append(b, '\n'), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", temp, err)
	}
	if err := dir.Rename(temp, ManifestName); err != nil {
		return fmt.Errorf("rename %s: %w", temp, err)
	}
	if err := dir.SyncDir(); err != nil {
		return fmt.Errorf("sync the log directory: %w", err)
	}
	return nil
}

// writeAll writes b at off, and treats a short write as the error it is.
func writeAll(f File, b []byte, off int64) error {
	n, err := f.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}
