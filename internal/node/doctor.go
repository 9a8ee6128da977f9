package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/doctor"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// Doctor looks at every engine that a configuration names, changes nothing, and reports to out.
func Doctor(ctx context.Context, c config.Config, out io.Writer) (grave, slight int) {
	return doctor.Run(ctx, out, []doctor.Probe{
		{Name: "settings", At: "the flags and the environment", Look: func(context.Context) (string, []doctor.Finding) { return lookAtSettings(c) }},
		{Name: "log", At: c.Log.String(), Look: func(ctx context.Context) (string, []doctor.Finding) { return lookAtLog(ctx, c) }},
		{Name: "bus", At: c.Bus.String(), Look: func(ctx context.Context) (string, []doctor.Finding) { return lookAtBus(ctx, c) }},
		{Name: "store", At: c.Store.String(), Look: func(ctx context.Context) (string, []doctor.Finding) { return lookAtStore(ctx, c) }},
		{Name: "node", At: "http://" + c.Listen, Look: func(ctx context.Context) (string, []doctor.Finding) { return lookAtNode(ctx, c) }},
	})
}

func grave(what, mend string) []doctor.Finding {
	return []doctor.Finding{{Grave: true, What: what, Mend: mend}}
}

func lookAtSettings(c config.Config) (string, []doctor.Finding) {
	if err := c.Together(); err != nil {
		return "", grave(err.Error(), "Correct the flags.")
	}
	if c.Secret == "" {
		return "", nil
	}
	var out []doctor.Finding
	if len(c.Secret) < 32 {
		out = append(out, doctor.Finding{Where: "--secret", What: fmt.Sprintf("It has %d characters.", len(c.Secret)), Mend: "Take 32 or more, at random: openssl rand -hex 32."})
	}
	if c.Shared() && c.Advertise == "" {
		out = append(out, doctor.Finding{Where: "--advertise", What: "It is not set: requests that reach another node than their session's are not forwarded.",
			Mend: "Give the address at which the other nodes reach this one, or let the load balancer keep sessions together."})
	}
	return "", out
}

func lookAtLog(ctx context.Context, c config.Config) (string, []doctor.Finding) {
	if c.Log.Scheme == "disk" {
		return lookAtDisk(c.Log.Rest)
	}
	o, err := msglog.ParseKafka(c.Log.Full())
	if err != nil {
		return "", grave(err.Error(), "Correct --log.")
	}
	o.AllowSingleBroker = c.SingleBroker
	r, err := msglog.CheckKafka(ctx, o)
	if err != nil {
		return "", grave(err.Error(), "See what it says.")
	}
	seen := fmt.Sprintf("%d brokers, topic %s not made yet: the first node makes it", r.Brokers, r.Topic)
	if r.Made {
		seen = fmt.Sprintf("%d brokers, topic %s, %d partitions, %d copies, min.insync.replicas=%d", r.Brokers, r.Topic, r.Partitions, r.Replicas, r.InSync)
	}
	var out []doctor.Finding
	for _, p := range r.Problems {
		out = append(out, doctor.Finding{Grave: true, Where: r.Topic, What: p, Mend: "kafka-configs.sh --alter --entity-type topics --entity-name " + r.Topic + ", or start a node: what it may, it puts right."})
	}
	for _, n := range r.Notes {
		out = append(out, doctor.Finding{What: n, Mend: "See operations.md."})
	}
	return seen, out
}

// lookAtDisk reads the whole log, as `Verify` does; one that was never made is no fault.
func lookAtDisk(dir string) (string, []doctor.Finding) {
	if _, err := os.Stat(dir); err != nil {
		return "not made yet: the first start makes it", nil
	}
	r, err := segment.VerifyDir(dir)
	if err != nil {
		return "", grave(err.Error(), "Restore the directory from a backup.")
	}
	var bytes int64
	var out []doctor.Finding
	for _, f := range r.Files {
		bytes += f.Bytes
		if f.Err != nil {
			out = append(out, doctor.Finding{Grave: true, Where: f.Name, What: f.Err.Error(), Mend: "Restore it from a backup; a torn end alone is cut at the start."})
		}
	}
	return fmt.Sprintf("generation %d, %d files, %d MB", r.Manifest.Generation, len(r.Files), bytes>>20), out
}

func lookAtBus(ctx context.Context, c config.Config) (string, []doctor.Finding) {
	if c.Bus.Scheme == "memory" {
		return "", nil
	}
	o, err := bus.ParseRedis(c.Bus.Full())
	if err != nil {
		return "", grave(err.Error(), "Correct --bus.")
	}
	o.Logger = slog.New(slog.DiscardHandler)
	r, err := bus.OpenRedis(ctx, o)
	if err != nil {
		return "", grave(err.Error(), "See what it says.")
	}
	defer r.Close()
	var out []doctor.Finding
	for _, f := range r.Check(ctx) {
		out = append(out, doctor.Finding{Where: f.Node, What: f.What, Mend: f.Mend})
	}
	return fmt.Sprintf("%d nodes", len(r.Client().Nodes())), out
}

func lookAtStore(ctx context.Context, c config.Config) (string, []doctor.Finding) {
	if c.Store.Scheme == "sqlite" {
		if _, err := os.Stat(c.Store.Rest); err != nil {
			return "not made yet: the first start makes it", nil
		}
		db, err := store.OpenSQLite(ctx, c.Store.Rest)
		if err != nil {
			return "", grave(err.Error(), "Look at the file and its folder.")
		}
		defer db.Close()
		return "", nil
	}
	o, err := store.ParseMongo(c.Store.Full())
	if err != nil {
		return "", grave(err.Error(), "Correct --store.")
	}
	r, err := store.CheckMongo(ctx, o)
	if err != nil {
		return "", grave(err.Error(), "See what it says.")
	}
	var out []doctor.Finding
	for _, p := range r.Problems {
		out = append(out, doctor.Finding{What: p, Mend: "See operations.md."})
	}
	return fmt.Sprintf("%s, store %q, round trip %v, clock %v ahead", r.Version, r.Store, r.RoundTrip.Round(time.Millisecond), r.Clock.Round(time.Millisecond)), out
}

// lookAtNode asks a node that runs at --listen how it is; none running is no fault.
func lookAtNode(ctx context.Context, c config.Config) (string, []doctor.Finding) {
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+strings.Replace(c.Listen, "0.0.0.0", "127.0.0.1", 1)+"/readyz", nil)
	if err != nil {
		return "", grave(err.Error(), "Correct --listen.")
	}
	res, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "none runs here now", nil
	}
	if err != nil {
		return "", []doctor.Finding{{What: "Something is there, but its /readyz could not be read: " + err.Error(), Mend: "Look whether it is a hubbub, and whether its certificate covers this address."}}
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 2000))
	text := strings.TrimSpace(string(body))
	if res.StatusCode != http.StatusOK || !strings.Contains(text, `"state":"ok"`) {
		return "", []doctor.Finding{{Grave: true, What: "A node runs here and answers " + strconv.Itoa(res.StatusCode) + ": " + text, Mend: "Look at what it names."}}
	}
	return "a node runs here and is well", nil
}
