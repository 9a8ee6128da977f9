package msglog_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

const (
	loginUser     = "ann"
	loginPassword = "s3cret:/@?%" // must be written with %XX in an address
)

// guarded is a broker that asks for a login: PLAIN or SCRAM-SHA-256, by the same user and password.
func guarded(t *testing.T) *enginetest.Server {
	t.Helper()
	server := enginetest.NewKafka(t, map[string]string{
		"listener.security.protocol.map":       "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
		"sasl.enabled.mechanisms":              "PLAIN,SCRAM-SHA-256",
		"sasl.mechanism.inter.broker.protocol": "PLAIN",
		"listener.name.plaintext.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required username="broker" password="inside" user_broker="inside" user_` +
			loginUser + `="` + loginPassword + `";`,
		"listener.name.plaintext.scram-sha-256.sasl.jaas.config": `org.apache.kafka.common.security.scram.ScramLoginModule required;`,
	})
	_, adm := tools(t, server.Addr(), kgo.SASL(plain.Auth{User: loginUser, Pass: loginPassword}.AsMechanism()))
	altered, err := adm.AlterUserSCRAMs(t.Context(), nil,
		[]kadm.UpsertSCRAM{{User: loginUser, Mechanism: kadm.ScramSha256, Iterations: 4096, Password: loginPassword}})
	if err == nil {
		err = altered.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func login(addr, user, password, query string) string {
	return strings.Replace(addr, "kafka://", "kafka://"+url.UserPassword(user, password).String()+"@", 1) + query
}

// A broker that asks for a login: with the right password everything works; without, the start ends soon and says why, without the password.
func TestKafkaLogin(t *testing.T) {
	t.Parallel()
	addr := guarded(t).Addr()
	for _, c := range []struct{ what, query string }{{"plain", ""}, {"scram", "?sasl=scram-sha-256"}} {
		t.Run("right by "+c.what, func(t *testing.T) {
			t.Parallel()
			o := parsed(t, login(addr, loginUser, loginPassword, "/"+c.what+c.query))
			k, err := msglog.OpenKafka(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			if a := appendThem(t, k, []chat.Record{message(1, 10)})[0]; a.err != nil {
				t.Fatal(a.err)
			}
			if ids, _ := readAll(t, k, chat.Mark{}); len(ids) != 1 {
				t.Errorf("read %v", ids)
			}
			sees(t, k, c.what+"-relay", 1)
			if _, err := msglog.CheckKafka(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	for _, c := range []struct{ what, addr, want string }{
		{"a wrong password by plain", login(addr, loginUser, "s3cret-wrong", ""), "refuses the user or the password"},
		{"a wrong password by scram", login(addr, loginUser, "s3cret-wrong", "?sasl=scram-sha-256"), "refuses the user or the password"},
		{"an unknown user", login(addr, "bob", "s3cret-wrong", ""), "refuses the user or the password"},
		{"a way of logging in that it does not know", login(addr, loginUser, loginPassword, "?sasl=scram-sha-512"), "does not know the way of logging in (sasl=scram-sha-512)"},
		{"no password", addr, "perhaps it wants a login"},
		{"a password where none is asked for", login(enginetest.Kafka(t), loginUser, "s3cret-wrong", ""), "asks for no login"},
		{"TLS where none is spoken", enginetest.Kafka(t) + "?tls=true", "TLS"},
	} {
		t.Run(c.what, func(t *testing.T) {
			o := parsed(t, c.addr)
			t.Parallel()
			var both sync.WaitGroup
			both.Go(func() {
				refusesSoon(t, "OpenKafka", c.want, func() error { _, err := msglog.OpenKafka(t.Context(), o); return err })
			})
			both.Go(func() {
				refusesSoon(t, "CheckKafka", c.want, func() error { _, err := msglog.CheckKafka(t.Context(), o); return err })
			})
			both.Wait()
		})
	}
}

func refusesSoon(t *testing.T, what, want string, open func() error) {
	t.Helper()
	start := time.Now()
	err := open()
	took := time.Since(start)
	if err == nil {
		t.Errorf("%s takes it", what)
		return
	}
	if took > 15*time.Second {
		t.Errorf("%s took %v", what, took)
	}
	if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "\n") || strings.Contains(text, "s3cret") || len(text) > 300 {
		t.Errorf("%s says %q, want one sentence with %q", what, text, want)
	}
}
