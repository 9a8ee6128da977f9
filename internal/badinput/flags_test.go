package badinput_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// setting is a row of the command line: arguments, separated by spaces, and variables of the environment (HUBBUB_X=y) among them. $f is
// a directory with files that are not what they ought to be, $h an address with such answers.
type setting struct {
	name string
	args string
	says string
}

func settings() []setting {
	const cluster = " --bus redis://127.0.0.1:1 --store mongodb://127.0.0.1:1 --secret 0123456789abcdef --allow-single-broker"
	return []setting{
		{"a flag that is not there", "serve --no-such-flag", "no-such-flag"},
		{"a flag without its value", "serve --listen", "listen"},
		{"something that is no flag", "serve now", `"now"`},
		{"a command that is not there", "frobnicate", `"frobnicate"`},
		{"no port", "serve --listen 127.0.0.1", "--listen"},
		{"a port of letters", "serve --listen 127.0.0.1:http-no", "--listen"},
		{"a port of 99999", "serve --listen 127.0.0.1:99999", "--listen"},
		{"an address of another machine", "serve --listen 203.0.113.7:0", "--listen"},
		{"no sockets", "serve --sockets 0", "--sockets"},
		{"a negative number of sockets", "serve --sockets -1", "--sockets"},
		{"a number beyond 64 bits", "serve --sockets 99999999999999999999", "sockets"},
		{"a number of letters", "serve --page-size many", "page-size"},
		{"an infinite rate", "serve --events-per-socket Inf", "--events-per-socket"},
		{"a rate that is no number", "serve --events-per-socket NaN", "--events-per-socket"},
		{"a page beyond what a store gives", "serve --page-size 10001", "--page-size"},
		{"a text beyond what a record holds", "serve --text-bytes 65537", "--text-bytes"},
		{"a payload below what a CONNECT needs", "serve --payload-bytes 10", "--payload-bytes"},
		{"segments too small", "serve --segment-bytes 1000", "--segment-bytes"},
		{"a negative reserve", "serve --reserve-bytes -1", "--reserve-bytes"},
		{"a time without its unit", "serve --keep 7", "keep"},
		{"a negative time", "serve --drain -1s", "--drain"},
		{"a heartbeat of a millisecond", "serve --ping-interval 1ms", "--ping-interval"},
		{"a level of logging", "serve --log-level loud", "--log-level"},
		{"a switch that is a word", "serve --guests=maybe", "guests"},
		{"half of TLS", "serve --tls-cert $f/short", "--tls-key"},
		{"a certificate that is none", "serve --listen 127.0.0.1:0 --tls-cert $f/short --tls-key $f/short", "--tls-cert"},
		{"a certificate that is not there", "serve --listen 127.0.0.1:0 --tls-cert $f/none --tls-key $f/none", "--tls-cert"},
		{"a secret too short", "serve --listen 127.0.0.1:0 --secret hunter2", "--secret"},
		{"a key file that is not there", "serve --listen 127.0.0.1:0 --auth-key $f/none", "--auth-key"},
		{"a key too short", "serve --listen 127.0.0.1:0 --auth-key $f/short", "--auth-key"},
		{"a private key", "serve --listen 127.0.0.1:0 --auth-key $f/private", "private key"},
		{"a damaged PEM", "serve --listen 127.0.0.1:0 --auth-key $f/pem", "PEM"},
		{"a directory as a key", "serve --listen 127.0.0.1:0 --auth-key $f", "--auth-key"},
		{"keys at an address that is dead", "serve --listen 127.0.0.1:0 --auth-key http://127.0.0.1:1/jwks", "--auth-key"},
		{"keys at an address without them", "serve --listen 127.0.0.1:0 --auth-key $h/none", "404"},
		{"keys that are a page", "serve --listen 127.0.0.1:0 --auth-key $h/page", "not a JWKS"},
		{"keys of nobody", "serve --listen 127.0.0.1:0 --auth-key $h/empty", "no RSA or Ed25519 key"},
		{"keys that are secrets", "serve --listen 127.0.0.1:0 --auth-key $h/secret", "no RSA or Ed25519 key"},
		{"an origin with a path", "serve --listen 127.0.0.1:0 --origins a/b", "--origins"},
		{"a proxy that is no address", "serve --listen 127.0.0.1:0 --trust-proxy everybody", "--trust-proxy"},
		{"a proxy of 40 bits", "serve --listen 127.0.0.1:0 --trust-proxy 10.0.0.0/40", "--trust-proxy"},
		{"a node's address that is every address", "serve --listen 127.0.0.1:0 --advertise 0.0.0.0:3001", "--advertise"},
		{"a node's address with a path", "serve --listen 127.0.0.1:0 --advertise http://a:1/b", "--advertise"},
		{"an engine that is not there", "serve --store mysql://x", "no engine"},
		{"an engine without a place", "serve --log disk:", "directory"},
		{"a bus without a host", "serve --bus redis://", "no host"},
		{"rooms that would be split", "serve --log kafka://127.0.0.1:1", "split"},
		{"history that would be split", "serve --log kafka://127.0.0.1:1 --bus redis://127.0.0.1:1", "split"},
		{"a bus beside a disk log", "serve --bus redis://:hunter2@127.0.0.1:1", "split"},
		{"a cluster without a secret", "serve --log kafka://127.0.0.1:1 --bus redis://127.0.0.1:1 --store mongodb://127.0.0.1:1", "--secret"},
		{"an unknown option of Kafka", "serve --listen 127.0.0.1:0 --log kafka://ann:hunter2@127.0.0.1:1/x?colour=red" + cluster, "colour"},
		{"no partitions", "serve --listen 127.0.0.1:0 --log kafka://127.0.0.1:1/x?partitions=0" + cluster, "partitions"},
		{"a name that no topic can have", "serve --listen 127.0.0.1:0 --log kafka://127.0.0.1:1/a~b" + cluster, "name"},
		{"SASL of nobody", "serve --listen 127.0.0.1:0 --log kafka://ann:hunter2@127.0.0.1:1/x?sasl=magic" + cluster, "sasl"},
		{"a variable of letters", "HUBBUB_SOCKETS=many serve", "HUBBUB_SOCKETS"},
		{"a variable that is no address", "HUBBUB_LISTEN=here serve", "--listen"},
		{"a variable that splits", "HUBBUB_BUS=redis://x serve", "split"},
		{"a token for nobody", "token", "-user"},
		{"a token for the system", "token --user ~system --secret 0123456789abcdef", "sub"},
		{"a token that has run out", "token --user ann --ttl -1h --secret 0123456789abcdef", "-ttl"},
		{"a token without a secret", "token --user ann --data $f/none", "secret"},
		{"log of nothing", "log", "one command: next"},
		{"log backwards", "log last", "one command: next"},
		{"log next from a bus", "log next --from redis://x", "--from"},
	}
}

// flagsDoor starts hubbub as nobody may start it.
func flagsDoor(t *testing.T, path string) int {
	files := t.TempDir()
	for name, text := range map[string]string{"short": "short", "pem": "-----BEGIN PUBLIC KEY-----\nAAAA", "private": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(filepath.Join(files, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	answers := map[string]string{"/page": "<html>", "/empty": `{"keys":[]}`, "/secret": `{"keys":[{"kty":"oct","kid":"o","k":"c2VjcmV0"}]}`}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers[r.URL.Path] == "" {
			http.NotFound(w, r)
		}
		io.WriteString(w, answers[r.URL.Path])
	}))
	defer server.Close() // behind the rows
	rows := sideBySide(t)
	defer rows.wait()
	for _, s := range settings() {
		rows.run(s.name, false, func(t *testing.T) {
			var env, args []string
			for _, word := range strings.Fields(strings.NewReplacer("$f", files, "$h", server.URL).Replace(s.args)) {
				if strings.HasPrefix(word, "HUBBUB_") {
					env = append(env, word)
				} else {
					args = append(args, word)
				}
			}
			dir := t.TempDir()
			r := hubbub(t, path, dir, env, args...)
			if s.args == "frobnicate" { // the usage stands behind the sentence
				r.problem, _, _ = strings.Cut(r.problem, "\n\n")
				r.problem += "\n"
			}
			r.refused(t, s.says)
			if entries, err := os.ReadDir(filepath.Join(dir, "hubbub-data", "log")); err == nil && len(entries) > 3 {
				t.Errorf("it left %d files", len(entries))
			}
		})
	}
	return len(settings())
}
