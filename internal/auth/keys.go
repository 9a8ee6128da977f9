package auth

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// Keys gives the host application's key for a token's algorithm and key id. The key's type decides which algorithms it serves.
type Keys interface {
	Key(alg, kid string) (any, error)
}

// LoadKeys reads --auth-key: an http(s) address of a JWKS, or a file with a shared secret or a public key in PEM (RSA or Ed25519).
// ctx bounds the life of the JWKS refresher, whose failures are logged: the keys at hand serve on, until they are changed.
func LoadKeys(ctx context.Context, spec string, logger *slog.Logger) (Keys, error) {
	if strings.HasPrefix(spec, "https://") || strings.HasPrefix(spec, "http://") {
		return newJWKS(ctx, spec, logger)
	}
	data, err := os.ReadFile(spec)
	if err != nil {
		return nil, fmt.Errorf("read --auth-key: %w", err)
	}
	key, err := parseKey(data)
	if err != nil {
		return nil, fmt.Errorf("--auth-key %s: %w", spec, err)
	}
	return oneKey{key}, nil
}

func parseKey(data []byte) (any, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		if bytes.Contains(data, []byte("-----BEGIN")) {
			return nil, errors.New("the PEM block is damaged")
		}
		secret := bytes.TrimSpace(data)
		if len(secret) < minSecret {
			return nil, fmt.Errorf("a shared secret needs at least %d characters", minSecret)
		}
		return secret, nil
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return nil, errors.New("this is a private key; give the public one")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	default:
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("parse the public key: %w", err)
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return nil, errors.New("the RSA key has less than 2048 bits")
		}
		return k, nil
	case ed25519.PublicKey:
		return k, nil
	}
	return nil, fmt.Errorf("a %T is not supported: use a shared secret, RSA or Ed25519", key)
}

// oneKey serves every token of its algorithm, whatever its kid.
type oneKey struct{ key any }

func (k oneKey) Key(alg, _ string) (any, error) {
	if !fits(k.key, alg) {
		return nil, errAlgorithm
	}
	return k.key, nil
}

// fits says whether a key of this type may verify this algorithm: a public key must never be taken for a shared secret.
func fits(key any, alg string) bool {
	switch key.(type) {
	case []byte:
		return strings.HasPrefix(alg, "HS")
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}
