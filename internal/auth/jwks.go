package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"sync"
	"time"
)

const (
	jwksEvery   = 10 * time.Minute // refresh
	jwksUnknown = 30 * time.Second // at most one refresh in this time because of an unknown kid
	jwksTimeout = 5 * time.Second
	jwksMax     = 1 << 20 // bytes of an answer
)

// jwks holds the public keys of a JWKS address and refreshes them: in the background, and when a token names a key id it lacks.
type jwks struct {
	url    string
	client *http.Client
	logger *slog.Logger
	wake   chan struct{}

	mu   sync.RWMutex
	keys map[string]any
}

// newJWKS fetches the keys once (an address that cannot be read is an error at start) and refreshes them until ctx ends.
func newJWKS(ctx context.Context, url string, logger *slog.Logger) (*jwks, error) {
	j := &jwks{url: url, logger: logger, client: &http.Client{Timeout: jwksTimeout}, wake: make(chan struct{}, 1)}
	if err := j.refresh(ctx); err != nil {
		return nil, fmt.Errorf("read the keys at --auth-key %s: %w", url, err)
	}
	go j.run(ctx)
	return j, nil
}

func (j *jwks) run(ctx context.Context) {
	failing := false
	for last := time.Now(); ; last = time.Now() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(jwksEvery):
		case <-j.wake:
			select {
			case <-ctx.Done():
				return
			case <-time.After(jwksUnknown - time.Since(last)):
			}
		}
		err := j.refresh(ctx)
		switch was := failing; {
		case err != nil && ctx.Err() == nil && !was:
			failing = true
			j.logger.Warn("the keys of --auth-key can not be read again; those at hand stay in use", "address", j.url, "error", err)
		case err == nil && was:
			failing = false
			j.logger.Info("the keys of --auth-key are read again", "address", j.url)
		}
	}
}

func (j *jwks) Key(alg, kid string) (any, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	key, ok := j.keys[kid]
	if !ok && kid == "" && len(j.keys) == 1 {
		for _, key = range j.keys {
			ok = true
		}
	}
	if !ok {
		select {
		case j.wake <- struct{}{}:
		default:
		}
		return nil, errNoKey
	}
	if !fits(key, alg) {
		return nil, errAlgorithm
	}
	return key, nil
}

func (j *jwks) refresh(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return err
	}
	res, err := j.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", res.Status)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, jwksMax))
	if err != nil {
		return err
	}
	keys, err := parseJWKS(data)
	if err != nil {
		return err
	}
	j.mu.Lock()
	j.keys = keys
	j.mu.Unlock()
	return nil
}

// jwk is a key of RFC 7517, of the types that are accepted.
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	N   string `json:"n"`
	E   string `json:"e"`
	Crv string `json:"crv"`
	X   string `json:"x"`
}

// parseJWKS keeps the RSA and Ed25519 keys meant for signatures. Shared secrets are never taken from an address.
func parseJWKS(data []byte) (map[string]any, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("not a JWKS: %w", err)
	}
	keys := map[string]any{}
	for _, k := range set.Keys {
		if k.Use != "" && k.Use != "sig" {
			continue
		}
		if key, err := k.public(); err == nil {
			keys[k.Kid] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no RSA or Ed25519 key for signatures")
	}
	return keys, nil
}

func (k jwk) public() (any, error) {
	switch {
	case k.Kty == "RSA":
		n, err1 := base64.RawURLEncoding.DecodeString(k.N)
		e, err2 := base64.RawURLEncoding.DecodeString(k.E)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		exp := new(big.Int).SetBytes(e)
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exp.Int64())}
		if key.N.BitLen() < 2048 || !exp.IsInt64() || key.E < 3 || key.E > 1<<31-1 {
			return nil, errors.New("weak or malformed RSA key")
		}
		return key, nil
	case k.Kty == "OKP" && k.Crv == "Ed25519":
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, errors.New("malformed Ed25519 key")
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, errors.New("key type not supported")
}
