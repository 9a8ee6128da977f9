package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// NextOptions say how a deployment goes over to its log's next generation.
type NextOptions struct {
	From       config.Address // the log that the store belongs to now, if it is not the configuration's: from disk to Kafka
	AcceptLoss bool           // also if the store does not have all of the old log, or that cannot be told
	Logger     *slog.Logger
	Out        io.Writer // gets what was done, for people
}

// NextGeneration begins the log's next generation: it makes it, and has the store take it on. No node may run meanwhile. It is refused
// until W has reached the old log's end, since what lies above it would be gone from history. It may be repeated until it succeeds.
func NextGeneration(ctx context.Context, c config.Config, o NextOptions) error {
	e := &engines{deployment: "hubbub"}
	defer e.close()
	if err := e.openStore(ctx, c, o.Logger); err != nil {
		return err
	}
	st, err := e.store.State(ctx)
	if err != nil {
		return fmt.Errorf("read what the store %s remembers of its log: %w", c.Store, err)
	}
	if st.Log.ID == "" {
		return fmt.Errorf("the store %s belongs to no log yet: there is nothing to go on from; start a node", c.Store)
	}
	old := c.Log
	if o.From.Scheme != "" {
		old = o.From
	}
	if err := finished(ctx, c, old, st, o); err != nil {
		return err
	}
	info, err := begin(ctx, c, st.Log)
	if err != nil && o.AcceptLoss { // a generation that has begun is as good, where the store may lack the end of the one before
		if newer, _, lookErr := look(ctx, c, c.Log, 0); lookErr == nil && newer.Generation > st.Log.Generation {
			info, err = newer, nil
		}
	}
	if err != nil {
		return err
	}
	if err := e.store.Adopt(ctx, info); err != nil {
		return fmt.Errorf("the new generation is there, but the store could not take it on (%w); run this again", err)
	}
	fmt.Fprintf(o.Out, "The log %s is at generation %d now, with %d partitions; the store %s has taken it on. Start the nodes.\n",
		c.Log, info.Generation, len(info.Partitions), c.Store)
	return nil
}

// finished makes sure that nobody writes into the old log any more, and that the store has all of it.
func finished(ctx context.Context, c config.Config, at config.Address, st chat.ArchiveState, o NextOptions) error {
	info, running, err := look(ctx, c, at, st.Log.Generation)
	if running > 0 {
		return fmt.Errorf("%d nodes still run on the log %s: stop them first", running, at)
	}
	if err == nil && at.Scheme == "disk" && info.Generation == st.Log.Generation+1 && empty(info) {
		return nil // an earlier run came as far as this, and looked before
	}
	if err == nil && (info.ID != st.Log.ID || info.Generation != st.Log.Generation) {
		err = fmt.Errorf("the store belongs to the log %s (generation %d), but %s is %s (generation %d): name the old one with --from",
			st.Log.ID, st.Log.Generation, at, info.ID, info.Generation)
	}
	for p := range info.Partitions {
		if err != nil {
			break
		}
		if last := info.Partitions[p].Last; p >= len(st.W) || st.W[p].Seq < last {
			err = fmt.Errorf("the store has saved partition %d of %s only through %d of %d: what lies between would be gone from history; start a node with --log %s until its /readyz says \"lag\":0",
				p, at, markOf(st, p), last, at)
		}
	}
	if err != nil && o.AcceptLoss {
		o.Logger.Warn("going on all the same, as --accept-loss says", "reason", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; or say --accept-loss", err)
	}
	return nil
}

func markOf(st chat.ArchiveState, p int) chat.Seq {
	if p < len(st.W) {
		return st.W[p].Seq
	}
	return 0
}

func empty(info chat.LogInfo) bool {
	for _, p := range info.Partitions {
		if p.Last >= p.First {
			return false
		}
	}
	return true
}

// look gives how far the old log reaches, and how many members its groups have.
func look(ctx context.Context, c config.Config, at config.Address, generation int) (info chat.LogInfo, running int, err error) {
	switch at.Scheme {
	case "disk":
		if _, err := os.Stat(at.Rest); err != nil { // opening would make it
			return info, 0, fmt.Errorf("there is no log in %s: %w", at.Rest, err)
		}
		disk, err := msglog.Open(msglog.Options{Dir: at.Rest, ReserveBytes: -1})
		if err != nil {
			return info, 0, err
		}
		defer disk.Close()
		info, err = disk.Info(ctx)
		return info, 0, err
	}
	o, err := msglog.ParseKafka(at.Full())
	if err != nil {
		return info, 0, err
	}
	o.AllowSingleBroker, o.Partitions = c.SingleBroker, 0
	kafka, err := msglog.OldKafka(ctx, o, generation)
	if err != nil {
		return info, 0, err
	}
	defer kafka.Close()
	groups, err := kafka.Groups(ctx)
	if err != nil {
		return info, 0, err
	}
	for _, g := range groups {
		running = max(running, g.Members)
	}
	info, err = kafka.Info(ctx)
	return info, running, err
}

// begin makes the generation behind the one that the store remembers, where the configuration wants the log to be.
func begin(ctx context.Context, c config.Config, was chat.LogInfo) (info chat.LogInfo, err error) {
	next := was.Generation + 1
	switch c.Log.Scheme {
	case "disk":
		info, _, err = look(ctx, c, c.Log, 0)
		switch {
		case err != nil:
			return info, err
		case info.ID == was.ID && info.Generation == was.Generation:
			if err = msglog.NextDisk(c.Log.Rest, was.Generation); err == nil {
				info, _, err = look(ctx, c, c.Log, 0)
			}
			return info, err
		case info.Generation == next && empty(info): // an earlier run made it
			return info, nil
		}
		return info, errors.New("a disk log can only follow on itself: this directory holds another one")
	}
	o, err := msglog.ParseKafka(c.Log.Full())
	if err != nil {
		return info, err
	}
	o.AllowSingleBroker = c.SingleBroker
	if n := len(was.Partitions); o.Partitions == 0 && n > 1 { // a disk has one, which is no count for a cluster
		o.Partitions = n
	}
	return msglog.NextKafka(ctx, o, next)
}
