package engineio

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// gzipFrom is the size from which a polling answer is compressed, for a client
// that accepts it; the reference server's default.
const gzipFrom = 1024

// maxGzip is the most compressors a server has; a writer costs about a
// megabyte, so when all are busy answers go out as they are.
const maxGzip = 4

// compressors lends gzip writers; the channel's capacity is the bound.
type compressors chan *gzip.Writer

func newCompressors() compressors {
	c := make(compressors, maxGzip)
	for range maxGzip {
		c <- nil // made when first needed
	}
	return c
}

// compress returns body compressed, or nil when no writer is free.
func (c compressors) compress(body []byte) []byte {
	var z *gzip.Writer
	select {
	case z = <-c:
	default:
		return nil
	}
	defer func() { c <- z }()
	var out bytes.Buffer
	if z == nil {
		z, _ = gzip.NewWriterLevel(&out, gzip.BestSpeed) // fails for unknown levels only
	} else {
		z.Reset(&out)
	}
	z.Write(body) // a bytes.Buffer takes everything
	z.Close()
	return out.Bytes()
}

// acceptsGzip reads Accept-Encoding; "gzip;q=0" is a no.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
		if !ok {
			return true
		}
		v, err := strconv.ParseFloat(q, 64)
		return err == nil && v > 0
	}
	return false
}

// writeBody answers a poll. It fails when the client is gone or takes nothing
// for Options.WriteTimeout.
func (srv *Server) writeBody(w http.ResponseWriter, r *http.Request, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	if len(body) >= gzipFrom && acceptsGzip(r) {
		if z := srv.gzip.compress(body); z != nil {
			h.Set("Content-Encoding", "gzip")
			body = z
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	rc := http.NewResponseController(w)
	defer rc.SetWriteDeadline(time.Time{})
	for len(body) > 0 {
		// In pieces, so that the time runs anew with each that has been taken.
		n := min(len(body), copyChunk)
		rc.SetWriteDeadline(time.Now().Add(srv.opts.WriteTimeout))
		if _, err := w.Write(body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	rc.SetWriteDeadline(time.Now().Add(srv.opts.WriteTimeout))
	if err := rc.Flush(); err != nil && !isUnsupported(err) {
		return err
	}
	return nil
}
