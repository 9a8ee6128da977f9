package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// guestLife is how long a guest's token and pid last; both are made anew at every connect.
const guestLife = 90 * 24 * time.Hour

// Credentials is what a client shows: a token; or the pid of an earlier connection; or a name that a guest would like.
type Credentials struct{ Token, Name, PID string }

// Identity is who a client turned out to be.
type Identity struct {
	User    chat.User
	Token   string    // for a guest: the token to keep; else empty
	PID     string    // the opaque signed name of the user, to be echoed or handed out
	Expires time.Time // past this and Leeway the socket is closed
	Fresh   bool      // a guest who has just been made: he can be in no room
}

// Authenticator turns credentials into identities.
type Authenticator struct {
	tokens *Tokens
	pidKey []byte
	guests bool
	name   func(string) (string, error)
}

// NewAuthenticator makes an Authenticator. name normalises what a guest calls himself, or refuses it with a *chat.Error.
func NewAuthenticator(s Secret, t *Tokens, guests bool, name func(string) (string, error)) *Authenticator {
	return &Authenticator{tokens: t, pidKey: s.Key("pid"), guests: guests, name: name}
}

// Authenticate gives the identity for c, or a *chat.Error: unauthorized, or invalid for a name.
func (a *Authenticator) Authenticate(_ context.Context, c Credentials) (Identity, error) {
	if c.Token != "" {
		return a.byToken(c)
	}
	if !a.guests {
		return Identity{}, chat.Errorf(chat.CodeUnauthorized, "a token is needed: guests are switched off here")
	}
	if p, ok := readPID(a.pidKey, c.PID, a.tokens.now()); ok && p.Guest {
		return a.guest(chat.User{ID: p.User, Name: p.Name, Guest: true}, c.Name)
	}
	if c.Name == "" {
		return Identity{}, chat.Errorf(chat.CodeUnauthorized, "auth needs a token, or a name for a guest")
	}
	id, err := a.guest(chat.User{ID: newGuestID(), Guest: true}, c.Name)
	id.Fresh = err == nil
	return id, err
}

func (a *Authenticator) byToken(c Credentials) (Identity, error) {
	user, expires, err := a.tokens.Verify(c.Token)
	if err != nil {
		return Identity{}, err
	}
	if user.Guest {
		if !a.guests {
			return Identity{}, chat.Errorf(chat.CodeUnauthorized, "guests are switched off here")
		}
		return a.guest(user, c.Name)
	}
	if user.Name, err = a.name(user.Name); err != nil {
		user.Name = string(user.ID) // a host's odd name must not lock its user out
	}
	return Identity{User: user, Expires: expires,
		PID: signPID(a.pidKey, pid{User: user.ID, Name: user.Name, Expires: expires.Unix()})}, nil
}

// guest gives a guest his identity, under a new name if he asks for one.
func (a *Authenticator) guest(u chat.User, name string) (Identity, error) {
	if name != "" {
		u.Name = name
	}
	var err error
	if u.Name, err = a.name(u.Name); err != nil {
		return Identity{}, err
	}
	token, err := a.tokens.Mint(u, guestLife)
	if err != nil {
		return Identity{}, err
	}
	expires := a.tokens.now().Add(guestLife)
	return Identity{User: u, Token: token, Expires: expires,
		PID: signPID(a.pidKey, pid{User: u.ID, Name: u.Name, Guest: true, Expires: expires.Unix()})}, nil
}

// newGuestID gives an id of 128 random bits.
func newGuestID() chat.UserID {
	raw := make([]byte, 16)
	rand.Read(raw)
	return chat.UserID("guest-" + base64.RawURLEncoding.EncodeToString(raw))
}
