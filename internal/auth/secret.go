package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// SecretFile is the name of the key file in the data directory.
const SecretFile = "secret"

const minSecret = 16 // characters

// Secret is what all nodes of a deployment share: it signs guest tokens, pids, sids and forwarding. A key of its own is derived for
// each use.
type Secret struct{ raw []byte }

// NewSecret makes a Secret of a configured text of at least 16 characters.
func NewSecret(text string) (Secret, error) {
	text = strings.TrimSpace(text)
	if len(text) < minSecret {
		return Secret{}, fmt.Errorf("the secret is too short: %d characters, at least %d are needed", len(text), minSecret)
	}
	return Secret{raw: []byte(text)}, nil
}

// LoadSecret reads the key file in dir, or makes it (mode 0600) at the first start.
func LoadSecret(dir string) (Secret, error) {
	path := filepath.Join(dir, SecretFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSecret(path)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("read the key file: %w", err)
	}
	s, err := NewSecret(string(data))
	if err != nil {
		return Secret{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return s, nil
}

// Fingerprint tells two secrets apart without telling either.
func (s Secret) Fingerprint() string { return hex.EncodeToString(s.Key("fingerprint")[:8]) }

// makeSecret writes a new secret beside the path first, so that no crash leaves half of one.
func makeSecret(path string) (Secret, error) {
	raw := make([]byte, 32)
	rand.Read(raw)
	text := hex.EncodeToString(raw)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return Secret{}, fmt.Errorf("make the key file: %w", err)
	}
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("make the key file: %w", err)
	}
	return Secret{raw: []byte(text)}, nil
}

// Key derives the key for one use.
func (s Secret) Key(use string) []byte {
	m := hmac.New(sha256.New, s.raw)
	m.Write([]byte("hubbub:" + use))
	return m.Sum(nil)
}
