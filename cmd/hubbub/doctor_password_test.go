package main

import (
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// A wrong password, on each engine that knows one: serve and doctor end within seconds with one sentence that says which, and show no
// password. The right ones are taken.
func TestWrongPasswords(t *testing.T) {
	name := enginetest.Deployment(t, enginetest.Kafka(t))
	locked := enginetest.NewRedis(t, "--requirepass", "right")
	guarded := enginetest.NewKafka(t, map[string]string{"listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
		"sasl.enabled.mechanisms": "PLAIN", "sasl.mechanism.inter.broker.protocol": "PLAIN",
		"listener.name.plaintext.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required username="broker" password="own" user_broker="own" user_ann="right";`})
	log, bus, store := enginetest.Kafka(t)+"/"+name, enginetest.Redis(t)+"?name="+name, enginetest.Mongo(t)+"/"+name
	as := func(user, address string) string { return strings.Replace(address, "://", "://"+user+":hunter2@", 1) }
	for title, c := range map[string]struct{ log, bus, store, part, says string }{
		"Kafka":                 {as("ann", guarded.Addr()), bus, store, "log", "refuses the user or the password"},
		"Redis":                 {log, as("", locked.Addr()), store, "bus", "refuses the user or password"},
		"MongoDB":               {log, bus, as("ann", store), "store", "refuses the user or the password"},
		"MongoDB, sent plainly": {log, bus, as("ann", store) + "?authMechanism=PLAIN", "store", "refuses the user or the password"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			for _, command := range []string{"serve", "doctor"} {
				began := time.Now()
				out, problem, code := ends(t, command, "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--log", c.log, "--bus", c.bus, "--store", c.store,
					"--secret", "0123456789abcdef0123456789abcdef", "--allow-single-broker")
				if took := time.Since(began); took > 20*time.Second { // 15 s, and some for a busy machine
					t.Errorf("%s took %v", command, took)
				}
				said := problem
				if command == "doctor" {
					said = out
				}
				if code != 1 || !oneSentence(problem) || !strings.Contains(said, c.says) || strings.Contains(out+problem, "hunter2") {
					t.Errorf("%s: exit %d\n%s\n%s", command, code, out, problem)
				}
				if command == "doctor" && !strings.Contains(out, "\n"+c.part) || command == "serve" && out != "" {
					t.Errorf("%s says %q", command, out)
				}
			}
		})
	}
	t.Run("the right ones", func(t *testing.T) {
		t.Parallel()
		right := func(user, address string) string { return strings.Replace(address, "://", "://"+user+":right@", 1) }
		out, _, code := ends(t, "doctor", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--log", right("ann", guarded.Addr()), "--bus", right("", locked.Addr()),
			"--store", store, "--secret", "0123456789abcdef0123456789abcdef", "--allow-single-broker")
		if code != 0 || strings.Contains(out, "bad") || strings.Contains(out, "right@") {
			t.Errorf("exit %d\n%s", code, out)
		}
	})
}
