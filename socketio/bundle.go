package socketio

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// bundle serves the browser client's files under the path of the protocol, as the reference server does.
type bundle struct {
	etag  string // quoted; "" when there is no version
	cors  func(r *http.Request, origin string) bool
	files map[string]*bundleFile
}

type bundleFile struct {
	kind  string
	plain []byte
	once  sync.Once
	small []byte // gzip, made at first use
}

// bundleNames are the only names served; anything else is the transport's.
func bundleNames() []string {
	names := []string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"}
	for _, n := range names[:4] {
		names = append(names, n+".map")
	}
	return names
}

// loadBundle reads the files that are there; with no file system it serves none.
func loadBundle(files fs.FS, version string, cors func(*http.Request, string) bool) *bundle {
	b := &bundle{cors: cors, files: make(map[string]*bundleFile)}
	if version != "" {
		b.etag = strconv.Quote(version)
	}
	if files == nil {
		return b
	}
	for _, name := range bundleNames() {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			continue // not part of this bundle: asked for, it is answered like any other unknown name
		}
		kind := "application/javascript; charset=utf-8"
		if strings.HasSuffix(name, ".map") {
			kind = "application/json; charset=utf-8"
		}
		b.files[name] = &bundleFile{kind: kind, plain: content}
	}
	return b
}

// serve answers a request for one of the files; false when it is not one.
func (b *bundle) serve(w http.ResponseWriter, r *http.Request) bool {
	f := b.files[path.Base(r.URL.Path)]
	if f == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	h := w.Header()
	if origin := r.Header.Get("Origin"); b.cors != nil && origin != "" {
		h.Add("Vary", "Origin")
		if b.cors(r, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
		}
	}
	h.Add("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("X-Content-Type-Options", "nosniff")
	if b.etag != "" {
		h.Set("ETag", b.etag)
		if b.matches(r.Header.Get("If-None-Match")) {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	body := f.plain
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		body = f.zipped()
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a client that hung up
	}
	return true
}

// matches tells whether one of the tags is ours, weak or strong.
func (b *bundle) matches(tags string) bool {
	for tag := range strings.SplitSeq(tags, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == b.etag {
			return true
		}
	}
	return false
}

func (f *bundleFile) zipped() []byte {
	f.once.Do(func() {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		// Writing to memory does not fail.
		_, _ = z.Write(f.plain)
		_ = z.Close()
		f.small = b.Bytes()
	})
	return f.small
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == "gzip" {
			q, has := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			return !has || strings.Trim(q, "0.") != ""
		}
	}
	return false
}
