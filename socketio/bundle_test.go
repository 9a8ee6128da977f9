package socketio_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"testing"
	"testing/fstest"

	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

func TestClientBundle(t *testing.T) {
	f := serve(t, socketio.Options{
		ClientBundle: fstest.MapFS{
			"socket.io.js":         {Data: []byte("io()")},
			"socket.io.min.js.map": {Data: []byte("{}")},
			"secret.txt":           {Data: []byte("secret")},
		},
		BundleVersion: "4.8.4",
		Engine:        engineio.Options{CORS: func(_ *http.Request, origin string) bool { return origin == "http://good" }},
	})
	for _, c := range []struct {
		name, method, file string
		header             map[string]string
		status             int
		body               string
		want               map[string]string
	}{
		{"plain", "GET", "socket.io.js", nil, 200, "io()", map[string]string{
			"Content-Type": "application/javascript; charset=utf-8", "Cache-Control": "public, max-age=0", "ETag": `"4.8.4"`,
			"Content-Length": "4", "Content-Encoding": "", "Access-Control-Allow-Origin": ""}},
		{"map", "GET", "socket.io.min.js.map", nil, 200, "{}", map[string]string{"Content-Type": "application/json; charset=utf-8"}},
		{"head", "HEAD", "socket.io.js", nil, 200, "", map[string]string{"Content-Length": "4"}},
		{"gzip", "GET", "socket.io.js", map[string]string{"Accept-Encoding": "br, gzip;q=0.5"}, 200, "io()", map[string]string{"Content-Encoding": "gzip"}},
		{"no gzip", "GET", "socket.io.js", map[string]string{"Accept-Encoding": "gzip;q=0.0, br"}, 200, "io()", map[string]string{"Content-Encoding": ""}},
		{"known", "GET", "socket.io.js", map[string]string{"If-None-Match": `"4.8.4"`}, 304, "", nil},
		{"known, weak, in a list", "GET", "socket.io.js", map[string]string{"If-None-Match": `"4.8.3", W/"4.8.4"`}, 304, "", nil},
		{"older", "GET", "socket.io.js", map[string]string{"If-None-Match": `"4.8.3"`}, 200, "io()", nil},
		{"friend", "GET", "socket.io.js", map[string]string{"Origin": "http://good"}, 200, "io()",
			map[string]string{"Access-Control-Allow-Origin": "http://good"}},
		{"stranger", "GET", "socket.io.js", map[string]string{"Origin": "http://bad"}, 200, "io()", map[string]string{"Access-Control-Allow-Origin": ""}},
		{"file that is not there", "GET", "socket.io.min.js", nil, 400, `{"code":0,"message":"Transport unknown"}`, nil},
		{"file that is not for clients", "GET", "secret.txt", nil, 400, `{"code":0,"message":"Transport unknown"}`, nil},
		{"wrong method", "POST", "socket.io.js", nil, 400, `{"code":0,"message":"Transport unknown"}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			header, status, text := fetch(t, c.method, f.base+c.file, c.header)
			if status != c.status || text != c.body {
				t.Errorf("%d %q", status, text)
			}
			for k, want := range c.want {
				if got := header.Get(k); got != want {
					t.Errorf("%s: %q, want %q", k, got, want)
				}
			}
		})
	}
}

// fetch makes a request and unpacks the answer.
func fetch(t *testing.T, method, address string, header map[string]string) (http.Header, int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body := io.Reader(res.Body)
	if res.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(res.Body); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return res.Header, res.StatusCode, string(text)
}

func TestNoBundle(t *testing.T) {
	f := serve(t, socketio.Options{})
	if _, status, _ := fetch(t, http.MethodGet, f.base+"socket.io.js", nil); status != http.StatusBadRequest {
		t.Errorf("status %d", status)
	}
}
