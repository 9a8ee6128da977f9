package msglog

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Group is one of the deployment's consumer groups.
type Group struct {
	Name    string
	Members int // that are in it now, and read this log
}

// Groups gives the deployment's consumer groups, by name: those that have members, and those that Kafka remembers a commit of. A node finds
// here whether another store is saved from this log, and `hubbub log next` whether nodes still run. A group whose members all read other
// topics is another deployment's, of a name that begins with this one's.
func (k *Kafka) Groups(ctx context.Context) ([]Group, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*askWithin)
	defer cancel()
	listed, err := k.adm.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range listed {
		if strings.HasPrefix(name, k.opt.Name+"-") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	described, err := k.adm.DescribeGroups(ctx, names...)
	if err != nil {
		return nil, err
	}
	var out []Group
	for _, g := range described {
		if n := k.readers(g); g.Err == nil && (n > 0 || len(g.Members) == 0) {
			out = append(out, Group{Name: g.Group, Members: n})
		}
	}
	slices.SortFunc(out, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// readers counts the members that read this log's topic. Kafka does not tell what they read while they are joining: then they count.
func (k *Kafka) readers(g kadm.DescribedGroup) (n int) {
	for _, m := range g.Members {
		if c, ok := m.Join.AsConsumer(); !ok || len(c.Topics) == 0 || slices.Contains(c.Topics, k.topic) {
			n++
		}
	}
	return n
}

// Commit gives what a group has committed in a partition, -1 where it has not: for tests and tools.
func (k *Kafka) Commit(ctx context.Context, group string, p int) (int64, error) {
	offsets, err := k.adm.FetchOffsetsForTopics(ctx, group, k.topic)
	if err != nil {
		return -1, err
	}
	at, ok := offsets.Lookup(k.topic, int32(p))
	if !ok {
		return -1, nil
	}
	return at.At, nil
}
