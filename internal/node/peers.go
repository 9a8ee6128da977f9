package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/hubbub-chat/hubbub/internal/config"
)

// badge is what a node tells the others of what it stands on.
type badge struct {
	Secret string `json:"secret"` // its fingerprint
	Log    string `json:"log"`
	Store  string `json:"store"`
}

func (b badge) String() string {
	text, _ := json.Marshal(b)
	return string(text)
}

// disagreement says that two nodes of a deployment do not stand on the same engines: people would be split, or strangers to each other.
type disagreement struct{ text string }

func (d *disagreement) Error() string { return d.text }

// with compares a peer's badge with one's own; nil: they agree.
func (b badge) with(node, text string) error {
	var other badge
	if err := json.Unmarshal([]byte(text), &other); err != nil {
		return nil // another version's
	}
	switch {
	case other.Secret != b.Secret:
		return &disagreement{fmt.Sprintf("%s runs in the same deployment with another --secret: each would refuse the other's guests and sessions; give all nodes the same", node)}
	case other.Log != b.Log:
		return &disagreement{fmt.Sprintf("%s shares this node's Redis but writes into another log (%s instead of %s); give one of the two deployments another ?name= in --bus", node, other.Log, b.Log)}
	case other.Store != b.Store:
		return &disagreement{fmt.Sprintf("%s saves into the store %s, this node into %s: history would be split; give all nodes the same --store", node, other.Store, b.Store)}
	}
	return nil
}

// meet refuses to start where another node disagrees.
func (e *engines) meet(ctx context.Context, _ config.Config, logger *slog.Logger) error {
	if e.kafka == nil {
		return nil
	}
	e.agree = e.compare
	err := e.compare(ctx)
	var d *disagreement
	if err != nil && !errors.As(err, &d) {
		logger.Warn("the other nodes could not be asked whether they stand on the same engines", "error", err)
		return nil
	}
	return err
}

// compare asks Redis for the other nodes' badges, and Kafka for groups that save this log into another store.
func (e *engines) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	badges, err := e.peers(ctx)
	if err != nil {
		return err
	}
	for node, text := range badges {
		if node == e.node {
			continue
		}
		if err := e.badge.with(node, text); err != nil {
			return err
		}
	}
	groups, err := e.kafka.Groups(ctx)
	if err != nil {
		return err
	}
	prefix := e.deployment + "-persist-"
	for _, g := range groups {
		if other, ok := strings.CutPrefix(g.Name, prefix); ok && other != e.storeName && g.Members > 0 {
			return &disagreement{fmt.Sprintf("other nodes save the log %s into the store %s, this node would into %s: history would be split; give all nodes the same --store",
				e.deployment, other, e.storeName)}
		}
	}
	return nil
}

// compareEvery is how often a running node asks again: two that start in the same moment do not see each other.
const compareEvery = 5 * time.Second

// keepComparing tells the health of a disagreement that shows only later.
func (n *Node) keepComparing(ctx context.Context) error {
	tick := time.NewTicker(compareEvery)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := n.engines.agree(ctx)
		var d *disagreement
		switch {
		case errors.As(err, &d):
			n.health.split.Store(d)
			if said != d.text {
				said = d.text
				n.logger.Error("the nodes do not stand on the same engines", "reason", d.text)
			}
		case err == nil:
			n.health.split.Store(nil)
			said = ""
		}
	}
}
