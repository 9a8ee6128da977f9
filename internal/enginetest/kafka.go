package enginetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// StartKafka starts a Kafka of its own: one node that is broker and controller. Properties in the options replace ours. The
// context bounds the start only.
func StartKafka(ctx context.Context, o Options) (*Server, error) { return startKafka(ctx, o, 1, "") }

// startKafka starts the node of a number: with a controller (its address) a broker that joins it, else one that is both.
func startKafka(ctx context.Context, o Options, node int, controller string) (*Server, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, missing("Java", "java")
	}
	libs, err := engine("Kafka", "kafka/libs")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	kind, alone := "--no-initial-controllers", controller == ""
	if alone {
		kind = "--standalone"
		if controller, err = freeController(port); err != nil {
			return nil, err
		}
	}
	dir, temp, err := folder("kafka", o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{addr: "kafka://" + loopback(port), dir: dir, temp: temp, controller: controller}
	run := func(jvm ...string) []string {
		return append([]string{java, "-Dlog4j2.configurationFile=" + filepath.Join(dir, "log4j2.properties"), "-cp", filepath.Join(libs, "*")}, jvm...)
	}
	config := filepath.Join(dir, "server.properties")
	s.make = func() spec {
		return spec{name: "Kafka", log: filepath.Join(dir, "kafka.log"), detached: o.Detached, death: syscall.SIGKILL, stop: syscall.SIGTERM,
			args: run("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=4", "kafka.Kafka", config)}
	}
	s.ready = func(ctx context.Context, p *process) error {
		if !strings.Contains(p.output(), "Kafka Server started") {
			return errors.New("Kafka has not started yet")
		}
		return kafkaAnswers(ctx, loopback(port))
	}
	if err := kafkaFiles(dir, properties(dir, node, port, controller, alone, o.Properties)); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	format := exec.CommandContext(ctx, java, run("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "kafka.tools.StorageTool",
		"format", kind, "-t", "aHViYnViLXRlc3QtMDAwMQ", "-c", config)[1:]...)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("format Kafka's folder: %w\n%s", err, out), s.Stop())
	}
	return begin(ctx, s)
}

// freeController is an address for a controller beside a broker's port.
func freeController(port int) (string, error) {
	for {
		controller, err := freePort()
		if err != nil || controller != port {
			return loopback(controller), err
		}
	}
}

// properties are those of a node; replication is 1 because a test's broker is mostly the only one.
func properties(dir string, node, port int, controller string, alone bool, over map[string]string) string {
	all := map[string]string{
		"process.roles":                                    "broker",
		"node.id":                                          strconv.Itoa(node),
		"listeners":                                        "PLAINTEXT://" + loopback(port),
		"advertised.listeners":                             "PLAINTEXT://" + loopback(port),
		"controller.listener.names":                        "CONTROLLER",
		"inter.broker.listener.name":                       "PLAINTEXT",
		"listener.security.protocol.map":                   "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"controller.quorum.bootstrap.servers":              controller,
		"log.dirs":                                         filepath.Join(dir, "data"),
		"auto.create.topics.enable":                        "false",
		"offsets.topic.replication.factor":                 "1",
		"offsets.topic.num.partitions":                     "4",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
		"group.initial.rebalance.delay.ms":                 "0",
	}
	if alone {
		all["process.roles"] = "broker,controller"
		all["listeners"] += ",CONTROLLER://" + controller
	}
	maps.Copy(all, over)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s=%s\n", k, all[k])
	}
	return b.String()
}

func kafkaFiles(dir, properties string) error {
	log := strings.Join([]string{
		"rootLogger.level=INFO", "rootLogger.appenderRef.out.ref=out",
		"appender.out.type=Console", "appender.out.name=out", "appender.out.target=SYSTEM_OUT",
		"appender.out.layout.type=PatternLayout", "appender.out.layout.pattern=%d %p %m (%c)%n", ""}, "\n")
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "server.properties"), []byte(properties), 0o644),
		os.WriteFile(filepath.Join(dir, "log4j2.properties"), []byte(log), 0o644))
	if err != nil {
		return fmt.Errorf("Kafka's configuration: %w", err)
	}
	return nil
}

// kafkaAnswers asks for the versions of the API, the first request of every client. See the Kafka protocol, ApiVersions v0.
func kafkaAnswers(ctx context.Context, addr string) error {
	c, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	const correlation = 7
	body := binary.BigEndian.AppendUint16(nil, 18) // ApiVersions
	body = binary.BigEndian.AppendUint16(body, 0)  // its version
	body = binary.BigEndian.AppendUint32(body, correlation)
	body = binary.BigEndian.AppendUint16(body, 0xffff) // no client id
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	var head [10]byte // length, correlation, error code
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	if got, code := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint16(head[8:]); got != correlation || code != 0 {
		return errors.New("kafka: bad answer to ApiVersions: error " + strconv.Itoa(int(code)))
	}
	return nil
}
