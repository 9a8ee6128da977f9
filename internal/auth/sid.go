package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// A session id that carries its node's address is the URL-safe base64 (no padding) of
//
//	1 byte    form: 1 the address speaks HTTP, 2 HTTPS
//	16 bytes  MAC over all the rest, under a key of the deployment's secret
//	15 bytes  at random
//	the rest  host:port
//
// so an id of this kind is at most 383 characters, with a usual address about 70. One without an address is 20 characters of 15 random
// bytes. Either is a secret: who has it owns the session. It is never logged.
const (
	sidHTTP  = 1
	sidHTTPS = 2

	sidMAC    = 16
	sidRandom = 15
	sidHead   = 1 + sidMAC + sidRandom
)

// MaxSID is the length of the longest session id, in characters.
const MaxSID = ((sidHead+maxNodeHost)*8 + 5) / 6

// Errors of SIDs.Node.
var (
	// ErrNoNode: the id names no node.
	ErrNoNode = errors.New("the session id names no node")
	// ErrSigned: it looks like one that names a node, but was not signed with this deployment's secret.
	ErrSigned = errors.New("the session id is not signed with this secret")
)

// SIDs makes the session ids of a node and reads those of others. An address is only ever taken from an id whose MAC is right: nobody
// but a node of the deployment chooses what is dialled.
type SIDs struct {
	key []byte
	own NodeAddress
}

// NewSIDs makes a SIDs for the node that others reach at own; with the zero address its ids are plain.
func NewSIDs(s Secret, own NodeAddress) *SIDs { return &SIDs{key: s.Key("sid"), own: own} }

// Own gives the address of this node.
func (s *SIDs) Own() NodeAddress { return s.own }

// New makes a session id: unguessable, URL-safe, never used before.
func (s *SIDs) New() string {
	raw := make([]byte, sidHead, sidHead+len(s.own.Host))
	rand.Read(raw[1+sidMAC:]) // never fails, see crypto/rand
	if s.own.Host == "" {
		return base64.RawURLEncoding.EncodeToString(raw[1+sidMAC:])
	}
	raw[0] = sidHTTP
	if s.own.TLS {
		raw[0] = sidHTTPS
	}
	raw = append(raw, s.own.Host...)
	copy(raw[1:], s.mac(raw))
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Node gives the address of the node that made sid, or ErrNoNode or ErrSigned.
func (s *SIDs) Node(sid string) (NodeAddress, error) {
	if len(sid) > MaxSID {
		return NodeAddress{}, ErrNoNode
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sid)
	if err != nil || len(raw) <= sidHead || raw[0] != sidHTTP && raw[0] != sidHTTPS {
		return NodeAddress{}, ErrNoNode
	}
	if !hmac.Equal(raw[1:1+sidMAC], s.mac(raw)) {
		return NodeAddress{}, ErrSigned
	}
	a, err := NodeAddress{TLS: raw[0] == sidHTTPS, Host: string(raw[sidHead:])}.checked()
	if err != nil { // signed by us all the same: a node of another version
		return NodeAddress{}, ErrNoNode
	}
	return a, nil
}

// mac signs the form byte and everything behind the place of the MAC.
func (s *SIDs) mac(raw []byte) []byte {
	m := hmac.New(sha256.New, s.key)
	m.Write(raw[:1])
	m.Write(raw[1+sidMAC:])
	return m.Sum(nil)[:sidMAC]
}
