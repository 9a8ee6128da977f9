package msglog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// KafkaOptions say which Kafka, and how a deployment uses it. ParseKafka fills in all but AllowSingleBroker and Logger.
type KafkaOptions struct {
	Seeds     []string // host:port
	User      string
	Password  string
	Mechanism string      // "plain", "scram-sha-256", "scram-sha-512"; empty: no login
	TLS       *tls.Config // nil: plain TCP
	Name      string      // of the deployment: the topic is NAME-gGENERATION, groups begin with it too; default "hubbub"

	Partitions  int // of a topic that is made; 0: 64, or what the topic has
	Replication int // of a topic that is made; 0: 3, or as many as there are brokers
	Generation  int // 0: the highest that there is, else 1

	AllowSingleBroker bool // take a topic that one broker alone keeps
	Logger            *slog.Logger

	times kafkaTimes                                                           // zero: those of the design
	dial  func(ctx context.Context, network, address string) (net.Conn, error) // nil: the system's
}

const (
	kafkaName       = "hubbub"
	kafkaPort       = "9092"
	kafkaPartitions = 64
	kafkaForm       = "kafka://[user:password@]host:port[,host:port…][/NAME][?tls=true&sasl=scram-sha-512&partitions=64&replication=3]"
)

// String gives the address without its credentials.
func (o KafkaOptions) String() string { return "kafka://" + strings.Join(o.Seeds, ",") + "/" + o.Name }

// kafkaNames keeps names to what topics and groups may be called, short enough for "-g1023" behind it.
var kafkaNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// ParseKafka reads kafka://[user:password@]host[:port][,host[:port]…][/NAME][?tls=true&ca=FILE&sasl=MECHANISM&partitions=N&replication=N].
// An error is one sentence and never shows a password.
func ParseKafka(addr string) (KafkaOptions, error) {
	o := KafkaOptions{Name: kafkaName}
	rest, ok := strings.CutPrefix(addr, "kafka://")
	if !ok {
		return o, errors.New("the address of Kafka must be like " + kafkaForm)
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts := rest
	if strings.Contains(query, "@") { // a ? in a password: what stands around it must not be shown
		return o, errors.New("the address of Kafka: odd characters, such as ? in a password and @ behind the ?, must be written as %XX")
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if err := o.login(rest[:at]); err != nil {
			return o, err
		}
		hosts = rest[at+1:]
	}
	hosts, name, _ := strings.Cut(hosts, "/")
	if name != "" {
		o.Name = name
	}
	if !kafkaNames.MatchString(o.Name) {
		return o, fmt.Errorf("the address of Kafka: the name %q may have letters, digits, dots, dashes and underscores, 100 at most", name)
	}
	if err := o.hosts(hosts); err != nil {
		return o, err
	}
	return o, o.query(query)
}

func (o *KafkaOptions) login(text string) (err error) {
	user, password, _ := strings.Cut(text, ":")
	if o.User, err = url.PathUnescape(user); err == nil {
		o.Password, err = url.PathUnescape(password)
	}
	if err != nil || o.User == "" || o.Password == "" {
		return errors.New("the address of Kafka: user:password must have a user and a password, and odd characters as %XX")
	}
	o.Mechanism = "plain"
	return nil
}

// hosts reads the list of brokers. An error shows no more than stands before a colon: it might be a password whose @ was forgotten.
func (o *KafkaOptions) hosts(text string) error {
	for host := range strings.SplitSeq(text, ",") {
		name, _, _ := strings.Cut(host, ":")
		if strings.ContainsAny(host, " \t\r\n") {
			return fmt.Errorf("the address of Kafka: %q with what follows it is not host:port", name)
		}
		if h, p, err := net.SplitHostPort(host); err == nil {
			if n, err := strconv.Atoi(p); h == "" || err != nil || n < 1 || n > 65535 {
				return fmt.Errorf("the address of Kafka: %q with what follows it is not host:port, the port from 1 to 65535", name)
			}
			o.Seeds = append(o.Seeds, host)
			continue
		}
		if host == "" || strings.ContainsAny(host, ":/[]") {
			return fmt.Errorf("the address of Kafka: %q with what follows it is not host:port", name)
		}
		o.Seeds = append(o.Seeds, net.JoinHostPort(host, kafkaPort))
	}
	return nil
}

func (o *KafkaOptions) query(text string) error {
	values, err := url.ParseQuery(text)
	if err != nil {
		return errors.New("the address of Kafka: what stands behind the ? is no list of name=value")
	}
	secure, ca := false, ""
	for key := range values {
		v := values.Get(key)
		if len(values[key]) > 1 {
			return fmt.Errorf("the address of Kafka: %q is said twice", key)
		}
		switch key {
		case "tls":
			secure, err = strconv.ParseBool(v)
		case "ca":
			ca = v
		case "sasl":
			if v != "plain" && v != "scram-sha-256" && v != "scram-sha-512" {
				return fmt.Errorf("the address of Kafka: sasl=%q is not plain, scram-sha-256 or scram-sha-512", v)
			}
			o.Mechanism = v
		case "partitions":
			o.Partitions, err = number(v, maxPartitions)
		case "replication":
			o.Replication, err = number(v, 100)
		default:
			return fmt.Errorf("the address of Kafka: there is no setting %q; it must be like %s", key, kafkaForm)
		}
		if err != nil {
			return fmt.Errorf("the address of Kafka: %s=%q makes no sense: %w", key, v, err)
		}
	}
	if o.Mechanism != "" && o.User == "" {
		return errors.New("the address of Kafka: sasl= needs user:password@ before the host")
	}
	if ca != "" && !secure {
		return errors.New("the address of Kafka: ca= needs tls=true")
	}
	return o.secure(secure, ca)
}

func (o *KafkaOptions) secure(on bool, ca string) error {
	if !on {
		return nil
	}
	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == "" {
		return nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return fmt.Errorf("the address of Kafka: ca=: %w", err)
	}
	o.TLS.RootCAs = x509.NewCertPool()
	if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("the address of Kafka: ca=%s holds no certificate", ca)
	}
	return nil
}

func number(text string, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("it must be a number from 1 to %d", most)
	}
	return n, nil
}
