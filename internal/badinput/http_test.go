package badinput_test

import (
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/web"
)

// request is a row of HTTP: $poll is a session that polls, $ws one on a websocket.
type request struct {
	name   string
	head   string // a leading ! says that nothing is to be added
	body   string
	status int
	says   string
}

// requests are what a server on the open Internet gets to see.
func requests() []request {
	missing := 404
	if _, built := web.App(); !built {
		missing = 503 // a binary without its page says so at every address of the page
	}
	const poll, sock, post = "GET " + handshake + "polling", "GET " + handshake + "websocket", "POST " + handshake + "polling&sid=$poll HTTP/1.1"
	up := upgradeHeaders
	return []request{
		{"POST to the page", "POST / HTTP/1.1", "x", 405, "Only GET and HEAD"},
		{"PUT to health", "PUT /healthz HTTP/1.1", "x", 405, "Only GET and HEAD"},
		{"DELETE of metrics", "DELETE /metrics HTTP/1.1", "", 405, "Only GET and HEAD"},
		{"TRACE", "TRACE / HTTP/1.1", "", 405, "Only GET and HEAD"},
		{"CONNECT to elsewhere", "CONNECT example.org:443 HTTP/1.1", "", 405, "Only GET and HEAD"},
		{"method of nobody", "FROB /readyz HTTP/1.1", "", 405, "Only GET and HEAD"},
		{"a path that is not there", "GET /nothing HTTP/1.1", "", missing, ""},
		{"the key file", "GET /secret HTTP/1.1", "", missing, ""},
		{"the key file, from above", "GET /assets/..%2f..%2fsecret HTTP/1.1", "", missing, ""},
		{"U+0000 in the path", "GET /%00 HTTP/1.1", "", missing, ""},
		{"broken escape in the path", "GET /%zz HTTP/1.1", "", 400, ""},
		{"no path", "GET nothing HTTP/1.1", "", 400, ""},
		{"no request at all", "!hello", "", 400, ""},
		{"a TLS hello", "!\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "", 400, ""},
		{"HTTP/3 in words", "GET / HTTP/3.0", "", 505, ""},
		{"no Host", "!GET /healthz HTTP/1.1", "", 400, "Host"},
		{"two Hosts", "GET /healthz HTTP/1.1\nHost: a\nHost: b", "", 400, ""},
		{"bad header name", "GET /healthz HTTP/1.1\nX Y: z", "", 400, "header"},
		{"control character in a header", "GET /healthz HTTP/1.1\nX: a\x01b", "", 400, ""},
		{"headers of 40 KiB", "GET /healthz HTTP/1.1\nX: " + strings.Repeat("x", 40<<10), "", 431, ""},
		{"negative length", post + "\nContent-Length: -1", "", 400, ""},
		{"two lengths", post + "\nContent-Length: 1\nContent-Length: 2", "42", 400, ""},
		{"unknown transfer coding", post + "\nTransfer-Encoding: gzip", "42", 501, ""},
		{"broken chunks", post + "\nTransfer-Encoding: chunked", "zz\r\n", 400, `"code":3`},
		{"endless chunk size", post + "\nTransfer-Encoding: chunked", strings.Repeat("f", 40) + "\r\n", 400, `"code":3`},
		{"chunked and too large", post + "\nTransfer-Encoding: chunked", "186a1\r\n" + strings.Repeat("4", 100_001) + "\r\n0\r\n\r\n", 413, "Payload too large"},
		{"a length beyond the limit", post, strings.Repeat("4", payloadLimit+1), 413, "Payload too large"},
		{"a length beyond all sense", post + "\nContent-Length: 9223372036854775807", "4", 413, "Payload too large"},
		{"octet-stream", post + "\nContent-Type: application/octet-stream", "42", 400, `"code":3`},
		{"unfulfillable Expect", post + "\nExpect: 200-ok", "42", 417, ""},
		{"metrics through a proxy", "GET /metrics HTTP/1.1\nX-Forwarded-For: 127.0.0.1", "", 403, ""},
		{"metrics with a wrong token", "GET /metrics HTTP/1.1\nVia: x\nAuthorization: Bearer the token", "", 403, ""},
		{"no transport", "GET /socket.io/?EIO=4 HTTP/1.1", "", 400, `"code":0`},
		{"no query", "GET /socket.io HTTP/1.1", "", 400, `"code":0`},
		{"transport of another server", "GET " + handshake + "webtransport HTTP/1.1", "", 400, `"code":0`},
		{"transport __proto__", "GET " + handshake + "__proto__ HTTP/1.1", "", 400, `"code":0`},
		{"broken escape in the query", "GET /socket.io/?EIO=4&transport=%zz HTTP/1.1", "", 400, `"code":0`},
		{"semicolons in the query", "GET /socket.io/?EIO=4;transport=polling HTTP/1.1", "", 400, `"code":0`},
		{"protocol 3", "GET /socket.io/?EIO=3&transport=polling HTTP/1.1", "", 400, `"code":5`},
		{"no protocol", "GET /socket.io/?transport=polling HTTP/1.1", "", 400, `"code":5`},
		{"protocol 3 by websocket", "GET /socket.io/?EIO=3&transport=websocket HTTP/1.1" + up, "", 400, "Unsupported protocol version"},
		{"handshake by POST", "POST " + handshake + "polling HTTP/1.1", "40", 400, `"code":2`},
		{"handshake by PUT", "PUT " + handshake + "polling HTTP/1.1", "40", 400, `"code":2`},
		{"websocket without upgrade", sock + " HTTP/1.1", "", 400, `"code":3`},
		{"upgrade by polling", poll + " HTTP/1.1" + up, "", 400, "Bad request"},
		{"websocket of version 8", sock + " HTTP/1.1" + strings.Replace(up, "13", "8", 1), "", 426, ""},
		{"websocket without a key", sock + " HTTP/1.1" + up[:strings.Index(up, "\nSec-WebSocket-Key")], "", 400, ""},
		{"websocket with a short key", sock + " HTTP/1.1" + strings.Replace(up, "dGhl", "", 1), "", 400, ""},
		{"websocket by HTTP/1.0", sock + " HTTP/1.0" + up, "", 505, ""},
		{"unknown sid", poll + "&sid=nobody HTTP/1.1", "", 400, `"code":1`},
		{"sid of 6,000 characters", poll + "&sid=" + strings.Repeat("x", 6000) + " HTTP/1.1", "", 400, `"code":1`},
		{"sid with U+0000", poll + "&sid=%00 HTTP/1.1", "", 400, `"code":1`},
		{"sid of another deployment's node", poll + "&sid=AQEBAQEBAQEBAQEBAQEBAQECAgICAgICAgICAgICAgIxMjcuMC4wLjE6ODA HTTP/1.1", "", 400, `"code":1`},
		{"unknown sid by websocket", sock + "&sid=nobody HTTP/1.1" + up, "", 400, "Session ID unknown"},
		{"a forged mark of a node", poll + "&sid=$poll HTTP/1.1\nHubbub-Hop: 1 1700000000 10.0.0.1 forged", "", 400, ""},
		{"PUT to a session", "PUT " + handshake + "polling&sid=$poll HTTP/1.1", "42", 405, `"code":3`},
		{"a poll with a body", poll + "&sid=$poll HTTP/1.1", "42", 400, `"code":3`},
		{"a poll of a session on a websocket", poll + "&sid=$ws HTTP/1.1", "", 400, `"code":3`},
		{"a POST to a session on a websocket", "POST " + handshake + "polling&sid=$ws HTTP/1.1", "42", 400, `"code":3`},
		{"a page from elsewhere", poll + " HTTP/1.1\nOrigin: https://evil.example", "", 403, "--origins"},
		{"a page from elsewhere by websocket", sock + " HTTP/1.1\nOrigin: https://evil.example" + up, "", 403, "--origins"},
		{"a page from a file", poll + " HTTP/1.1\nOrigin: null", "", 403, "--origins"},
		{"a page that says it is ours, unproved", poll + " HTTP/1.1\nOrigin: https://evil.example\nX-Forwarded-Host: evil.example\nX-Forwarded-Proto: https", "", 403, "--origins"},
		{"an Origin of control characters", poll + " HTTP/1.1\nOrigin: http://\x7f", "", 400, ""},
	}
}

func httpDoor(t *testing.T, w *world) int {
	rows := requests()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			head := r.head
			if strings.Contains(head, "$poll") {
				head = strings.ReplaceAll(head, "$poll", w.polling(t))
			}
			var onSocket *wire
			if strings.Contains(head, "$ws") {
				onSocket = w.websocket(t, "")
				head = strings.ReplaceAll(head, "$ws", onSocket.sid)
			}
			status, text, header := w.dial(t).ask(head, r.body)
			if status != r.status || !strings.Contains(text, r.says) {
				t.Errorf("%d %.300q, want %d with %q", status, text, r.status, r.says)
			}
			if len(header.Values("Set-Cookie")) > 0 {
				t.Error("a cookie is set")
			}
			if onSocket != nil { // what was asked in vain for it did not touch it
				onSocket.say("40{}")
				onSocket.hear("44")
			}
		})
	}
	return len(rows)
}
