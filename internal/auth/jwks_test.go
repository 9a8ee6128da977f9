package auth

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// answers is a JWKS address that answers as it is told.
type answers struct{ err atomic.Pointer[error] }

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	if err := a.err.Load(); err != nil {
		return nil, *err
	}
	const keys = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(keys))}, nil
}

// Keys that can not be read again are said when that begins and when it ends, not only when a rotation locks everybody out; those at hand
// serve on.
func TestKeysThatCanNotBeReadAgainAreSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		door := &answers{}
		j := &jwks{url: "https://id.example/keys", client: &http.Client{Transport: door}, logger: slog.New(slog.NewTextHandler(&out, nil)),
			wake: make(chan struct{}, 1)}
		if err := j.refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		go j.run(t.Context())
		later := func() string {
			time.Sleep(3*jwksEvery + time.Second)
			synctest.Wait()
			return out.String()
		}
		if said := later(); said != "" {
			t.Errorf("while all is well: %s", said)
		}
		gone := errors.New("no route to host")
		door.err.Store(&gone)
		if said := later(); strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "no route to host") || !strings.Contains(said, j.url) {
			t.Errorf("the address does not answer: %q", said)
		}
		if _, err := j.Key("EdDSA", "one"); err != nil {
			t.Errorf("the key at hand: %v", err)
		}
		door.err.Store(nil)
		if said := later(); strings.Count(said, "\n") != 2 || !strings.Contains(said, "read again") {
			t.Errorf("it answers again: %q", said)
		}
	})
}
