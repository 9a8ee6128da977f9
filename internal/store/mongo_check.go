package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MongoReport is what CheckMongo found.
type MongoReport struct {
	Version    string
	ReplicaSet string   // empty: FerretDB, or mongos
	Members    []string // of the replica set, host:port
	Store      string   // the store's name; empty: no node has used this database yet
	Log        string   // the identity of the log that the store belongs to; empty: none yet
	RoundTrip  time.Duration
	Clock      time.Duration // how far the server's clock is ahead of ours, give or take RoundTrip
	Problems   []MongoFault
}

// MongoFault is one thing that is wrong, and what to do about it: two sentences.
type MongoFault struct{ What, Mend string }

// CheckMongo looks at a store for `hubbub doctor` and changes nothing. The error is OpenMongo's sentence, when no node could use it.
func CheckMongo(ctx context.Context, o MongoOptions) (MongoReport, error) {
	ctx, cancel := context.WithTimeout(ctx, mongoStart)
	defer cancel()
	s, err := connectMongo(ctx, o)
	if err != nil {
		return MongoReport{}, o.sentence(err)
	}
	r, err := s.check(ctx)
	return r, o.sentence(errors.Join(err, s.Close()))
}

func (s *Mongo) check(ctx context.Context) (r MongoReport, err error) {
	if _, err := s.await(ctx); err != nil { // the connection stands now, so that the next answer tells the time
		return r, err
	}
	asked := time.Now()
	server, err := s.ask(ctx)
	if err != nil {
		return r, err
	}
	r = MongoReport{Version: server.version(), ReplicaSet: server.SetName, Members: server.Hosts, RoundTrip: time.Since(asked)}
	for _, w := range server.warnings() {
		r.Problems = append(r.Problems, MongoFault{w, "For more than a trial take MongoDB 6.0 or later, as a replica set: move the data with mongodump and mongorestore, or upgrade version by version."})
	}
	if err := server.refusal(); err != nil {
		return r, err
	}
	if !server.LocalTime.IsZero() {
		r.Clock = server.LocalTime.Sub(asked.Add(r.RoundTrip / 2))
	}
	if n := len(server.Hosts); server.SetName != "" && n < 3 {
		members := fmt.Sprintf("%d members", n)
		if n == 1 {
			members = "1 member"
		}
		r.Problems = append(r.Problems, MongoFault{fmt.Sprintf("the replica set %s has %s; with three, one may be lost without a pause", server.SetName, members),
			`Start more mongods with --replSet ` + server.SetName + `, and on the primary, in mongosh: rs.add("HOST:27017").`})
	}
	st, err := s.readState(ctx)
	if err != nil {
		return r, err
	}
	r.Store, r.Log = st.name, st.log.ID
	if st.schema > mongoSchema {
		return r, newerSchema{st.schema}
	}
	for _, x := range s.indexes() {
		if st.schema == 0 {
			break
		}
		has, err := x.exists(ctx)
		if err != nil {
			return r, err
		}
		if !has {
			r.Problems = append(r.Problems, MongoFault{fmt.Sprintf("the index %s of the collection %s is missing", x.name, x.collection.Name()), "Start a node: it makes it."})
		}
	}
	return r, nil
}
