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
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/doctor"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// Doctor looks at every engine that a configuration names, changes nothing, and reports to out. now is this machine's clock, time.Now.
func Doctor(ctx context.Context, c config.Config, out io.Writer, now func() time.Time) (grave, slight int) {
	ahead := now().Sub(time.Now())
	var missing atomic.Pointer[string] // the log's topic, if it is not there
	return doctor.Run(ctx, out, []doctor.Probe{
		{Name: "settings", At: "the flags and the environment", Look: func(ctx context.Context) (string, []doctor.Finding) { return lookAtSettings(ctx, c) }},
		{Name: "log", At: c.Log.String(), Look: func(ctx context.Context) (string, []doctor.Finding) { return lookAtLog(ctx, c, ahead, &missing) }},
		{Name: "bus", At: c.Bus.String(), Look: func(ctx context.Context) (string, []doctor.Finding) { return lookAtBus(ctx, c) }},
		{Name: "store", At: c.Store.String(), Look: func(ctx context.Context) (string, []doctor.Finding) { return lookAtStore(ctx, c, ahead, &missing) }},
		{Name: "node", At: "http://" + c.Listen, Look: func(ctx context.Context) (string, []doctor.Finding) { return lookAtNode(ctx, c) }},
	})
}

func grave(what, mend string) []doctor.Finding {
	return []doctor.Finding{{Grave: true, What: what, Mend: mend}}
}

// lookAtLog looks at Kafka or the disk, and names a topic that is not there; ahead is how far this machine's clock is put forward, in a test.
func lookAtLog(ctx context.Context, c config.Config, ahead time.Duration, missing *atomic.Pointer[string]) (string, []doctor.Finding) {
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
		return "", grave(err.Error(), "Look from this machine with Kafka's own tool: kafka-broker-api-versions.sh --bootstrap-server "+o.Seeds[0]+" (with --command-config FILE where it wants a login or TLS).")
	}
	seen := doctor.Count(r.Brokers, "broker", "brokers") + ", topic " + r.Topic
	if r.Made {
		seen += fmt.Sprintf(", %s, %s, min.insync.replicas=%d", doctor.Count(r.Partitions, "partition", "partitions"), doctor.Count(r.Replicas, "copy", "copies"), r.InSync)
	} else {
		seen += " not made yet: the first node makes it"
		missing.Store(&r.Topic)
	}
	var out []doctor.Finding
	for _, p := range r.Problems {
		out = append(out, doctor.Finding{Grave: true, Where: r.Topic, What: p.What, Mend: p.Mend})
	}
	for _, n := range r.Notes {
		out = append(out, doctor.Finding{What: n.What, Mend: n.Mend})
	}
	if !r.ClockTold {
		return seen + ", clock not told", out
	}
	clock, found := judgeClock("Kafka's controller", r.Clock-ahead, r.RoundTrip)
	return seen + ", " + clock, append(out, found...)
}

// maxClock is how far a clock may be off before that is worth a line.
const maxClock = 2 * time.Second

// judgeClock says how an engine's clock stands to this machine's: so far ahead, give or take trip.
func judgeClock(whose string, ahead, trip time.Duration) (seen string, found []doctor.Finding) {
	how := "ahead"
	if ahead < 0 {
		how = "behind"
	}
	off := ahead.Abs()
	if off <= trip+maxClock {
		return "clock right within " + max(off, trip).Round(time.Millisecond).String(), nil
	}
	off = off.Round(time.Second)
	return fmt.Sprintf("clock %v %s", off, how), []doctor.Finding{{What: fmt.Sprintf("The clock of %s is %v %s of this machine's.", whose, off, how),
		Mend: "Let all machines follow a time server (timedatectl set-ntp true, or chrony). Messages carry the time of the node that took them; beyond 30 s tokens of other machines are refused or live too long, beyond two minutes nodes refuse each other's requests."}}
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
		return "", grave(err.Error(), "Look from this machine with Redis' own tool: redis-cli -u "+c.Bus.String()+" ping (… stands for the login).")
	}
	defer r.Close()
	var out []doctor.Finding
	for _, f := range r.Check(ctx) {
		out = append(out, doctor.Finding{Where: f.Node, What: f.What, Mend: f.Mend})
	}
	return doctor.Count(len(r.Client().Nodes()), "node", "nodes"), out
}

// lookAtSQLite looks at a store on this machine; one that was never made is no fault.
func lookAtSQLite(ctx context.Context, path string) (string, []doctor.Finding) {
	r, err := store.CheckSQLite(ctx, path)
	if err != nil {
		return "", grave(err.Error(), "Look whether this user may read and write the file and its folder, and whether the disk is full; else restore it from a backup.")
	}
	var seen []string
	switch {
	case !r.Made:
		return "not made yet: the first start makes it", nil
	case r.Schema == 0 && r.Later == "":
		return "empty: the first start fills it", nil
	case r.Old:
		seen = append(seen, fmt.Sprintf("schema %d: the next start brings it up to date", r.Schema))
	case r.Schema != 0:
		seen = append(seen, fmt.Sprintf("schema %d", r.Schema))
	}
	if r.Store != "" {
		seen = append(seen, fmt.Sprintf("store %q", r.Store))
	}
	if r.Log != "" {
		seen = append(seen, "of the log "+r.Log)
	}
	if r.Later != "" {
		seen = append(seen, r.Later)
	}
	return strings.Join(seen, ", "), nil
}

// lookAtStore looks at SQLite or MongoDB. A store that belongs to a log can not begin with a topic that is not there.
func lookAtStore(ctx context.Context, c config.Config, ahead time.Duration, missing *atomic.Pointer[string]) (string, []doctor.Finding) {
	if c.Store.Scheme == "sqlite" {
		return lookAtSQLite(ctx, c.Store.Rest)
	}
	o, err := store.ParseMongo(c.Store.Full())
	if err != nil {
		return "", grave(err.Error(), "Correct --store.")
	}
	r, err := store.CheckMongo(ctx, o)
	if err != nil {
		return "", grave(err.Error(), "Look from this machine with MongoDB's own tool: mongosh '"+c.Store.String()+"' --eval 'db.hello()' (… stands for the login).")
	}
	clock, out := judgeClock("the store", r.Clock-ahead, r.RoundTrip)
	for _, p := range r.Problems {
		out = append(out, doctor.Finding{What: p.What, Mend: p.Mend})
	}
	if topic := missing.Load(); topic != nil && r.Log != "" {
		out = append(out, doctor.Finding{Grave: true, What: fmt.Sprintf("The store belongs to the log %s, but there is no topic %s: no node starts so.", r.Log, *topic),
			Mend: "Correct --log or --store; or move the store to that log with hubbub log next."})
	}
	name := "not made yet: the first node makes it"
	if r.Store != "" {
		name = fmt.Sprintf("store %q", r.Store)
	}
	return fmt.Sprintf("%s, %s, round trip %v, %s", r.Version, name, r.RoundTrip.Round(time.Millisecond), clock), out
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
		return "", []doctor.Finding{{Grave: true, What: "A node runs here and answers " + strconv.Itoa(res.StatusCode) + ": " + text, Mend: "What it calls down or behind is looked at above; the node's log says why, in the line `engines changed`."}}
	}
	return "a node runs here and is well", nil
}
