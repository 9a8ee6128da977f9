package auth

import (
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Leeway is the one tolerance for a token's exp, nbf and iat, everywhere.
const Leeway = 30 * time.Second

// issuer marks the tokens of this server; a host application's tokens name another issuer or none.
const issuer = "hubbub"

const maxToken = 8 << 10 // bytes

// claims are what Hubbub reads from a token. sub: the user id.
type claims struct {
	Name  string `json:"name,omitempty"`
	Guest bool   `json:"guest,omitempty"`
	jwt.RegisteredClaims
}

// Tokens verifies and mints tokens. It accepts those of this server and, if a key is given, those of the host application.
type Tokens struct {
	own  []byte
	host Keys // nil: only our own tokens
	now  func() time.Time
}

// NewTokens makes a Tokens over the deployment's secret and the host application's keys, which may be nil.
func NewTokens(s Secret, host Keys) *Tokens {
	return &Tokens{own: s.Key("token"), host: host, now: time.Now}
}

// Mint signs a token of this server for u, valid for ttl.
func (t *Tokens) Mint(u chat.User, ttl time.Duration) (string, error) {
	now := t.now()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{Name: u.Name, Guest: u.Guest, RegisteredClaims: jwt.RegisteredClaims{
		Issuer: issuer, Subject: string(u.ID), IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
	}})
	signed, err := token.SignedString(t.own)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed, nil
}

// Verify gives the user a token names and when it expires (without leeway). Errors are *chat.Error with code unauthorized.
func (t *Tokens) Verify(text string) (chat.User, time.Time, error) {
	var c claims
	if len(text) > maxToken {
		return chat.User{}, time.Time{}, chat.Errorf(chat.CodeUnauthorized, "the token is longer than %d bytes", maxToken)
	}
	parser := jwt.NewParser(jwt.WithLeeway(Leeway), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(t.now),
		jwt.WithValidMethods([]string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"}))
	_, err := parser.ParseWithClaims(text, &c, func(tok *jwt.Token) (any, error) { return t.key(tok, &c) })
	if err != nil {
		return chat.User{}, time.Time{}, chat.Errorf(chat.CodeUnauthorized, "%s", tokenFault(err))
	}
	if err := validUserID(c.Subject); err != nil {
		return chat.User{}, time.Time{}, chat.Errorf(chat.CodeUnauthorized, "the token's sub %s", err)
	}
	if c.Issuer != issuer {
		c.Guest = false
	}
	name := c.Name
	if name == "" {
		name = c.Subject
	}
	return chat.User{ID: chat.UserID(c.Subject), Name: name, Guest: c.Guest}, c.ExpiresAt.Time, nil
}

// key chooses the key by the issuer and holds the algorithm against the key's type: a token never chooses how it is verified.
func (t *Tokens) key(tok *jwt.Token, c *claims) (any, error) {
	if c.Issuer == issuer {
		if tok.Method.Alg() != "HS256" {
			return nil, errAlgorithm
		}
		return t.own, nil
	}
	if t.host == nil {
		return nil, errIssuer
	}
	kid, _ := tok.Header["kid"].(string)
	return t.host.Key(tok.Method.Alg(), kid)
}

var (
	errAlgorithm = errors.New("the token's algorithm does not fit the key")
	errIssuer    = errors.New("the token is not from this server, and no --auth-key is set for others")
	errNoKey     = errors.New("no key fits the token")
)

// tokenFault says in words what is wrong, without repeating the token.
func tokenFault(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "the token has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "the token is not valid yet: compare the clocks"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "the token has no exp"
	case errors.Is(err, errAlgorithm), errors.Is(err, jwt.ErrTokenSignatureInvalid) && !errors.Is(err, jwt.ErrTokenUnverifiable):
		return "the token's signature or algorithm is not accepted"
	case errors.Is(err, errIssuer):
		return errIssuer.Error()
	case errors.Is(err, errNoKey):
		return errNoKey.Error()
	case errors.Is(err, jwt.ErrTokenMalformed):
		return "the token is malformed"
	}
	return "the token is not accepted"
}

// validUserID refuses what cannot be a user's id: empty, long, spaces, control or text direction characters (an id is shown where there
// is no name), or the system's mark.
func validUserID(id string) error {
	if id == "" || len(id) > 128 {
		return errors.New("must have 1 to 128 bytes")
	}
	if id[0] == '~' {
		return errors.New("must not begin with ~")
	}
	for _, r := range id {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r) {
			return errors.New("must not hold spaces, control or text direction characters")
		}
	}
	return nil
}
