package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

const (
	// mongoStart bounds OpenMongo, mongoPatience how long it waits for a server that is not there yet.
	mongoStart    = 14 * time.Second
	mongoPatience = 8 * time.Second
)

// OpenMongo connects to a MongoDB store, and makes its indexes and its name if they are not there. It fails within 15 s; the error is a
// sentence for the operator, without credentials: unreachable, refused, no replica set, another program's database, a newer schema. A
// single mongod outside a replica set is refused, since it has no majority that could keep what one server loses (and retries no
// writes); FerretDB is accepted with a warning, as a stand-in.
func OpenMongo(ctx context.Context, o MongoOptions) (*Mongo, error) {
	ctx, cancel := context.WithTimeout(ctx, mongoStart)
	defer cancel()
	s, err := connectMongo(ctx, o)
	if err != nil {
		return nil, o.sentence(err)
	}
	if err := s.start(ctx); err != nil {
		return nil, o.sentence(errors.Join(err, s.Close()))
	}
	return s, nil
}

// connectMongo makes a client. For mongodb+srv:// the driver asks DNS on the way, for as long as the system lets it: hence the goroutine,
// which ends when that does.
func connectMongo(ctx context.Context, o MongoOptions) (*Mongo, error) {
	type result struct {
		client *mongo.Client
		err    error
	}
	made := make(chan result, 1)
	go func() {
		c, err := mongo.Connect(settled(o))
		made <- result{c, err}
	}()
	select {
	case r := <-made:
		if r.err != nil {
			return nil, r.err
		}
		return newMongo(r.client, o), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("lookup of its servers: %w", ctx.Err())
	}
}

// settled gives the driver's options with the settings that the promises rest on, whatever the address says.
func settled(o MongoOptions) *options.ClientOptions {
	journal := true
	opts := o.client()
	if opts.ServerSelectionTimeout == nil {
		opts.SetServerSelectionTimeout(mongoPick)
	}
	if opts.AppName == nil {
		opts.SetAppName("hubbub")
	}
	return opts.SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal}).
		SetReadConcern(readconcern.Majority()).SetReadPreference(readpref.Primary()).SetRetryWrites(true).SetRetryReads(true).SetTimeout(mongoWait)
}

func (s *Mongo) start(ctx context.Context) error {
	server, err := s.await(ctx)
	if err != nil {
		return err
	}
	if err := server.refusal(); err != nil {
		return err
	}
	for _, w := range server.warnings() {
		s.logger.Warn("the store: "+w, "store", s.opt.String(), "version", server.version())
	}
	if err := s.claim(ctx); err != nil {
		return err
	}
	return s.makeIndexes(ctx)
}

// await asks the server what it is, and waits for one that is starting. A refusal of the credentials ends it at once.
func (s *Mongo) await(ctx context.Context) (mongoServer, error) {
	until := time.Now().Add(mongoPatience)
	for {
		server, err := s.ask(ctx)
		if err == nil || refused(err) || time.Now().After(until) {
			return server, err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return server, err
		}
	}
}

// mongoServer is what a server says of itself, to `hello` and `buildInfo`.
type mongoServer struct {
	SetName   string    `bson:"setName"`
	Msg       string    `bson:"msg"` // "isdbgrid": mongos
	Hosts     []string  `bson:"hosts"`
	Primary   string    `bson:"primary"`
	LocalTime time.Time `bson:"localTime"`
	Writable  bool      `bson:"isWritablePrimary"`
	Build     struct {
		Version  string `bson:"version"`
		Array    []int  `bson:"versionArray"`
		FerretDB string `bson:"ferretdbVersion"`
	} `bson:"-"`
}

func (s *Mongo) ask(ctx context.Context) (mongoServer, error) {
	var m mongoServer
	admin := s.client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&m); err != nil {
		return m, err
	}
	return m, admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&m.Build)
}

func (m mongoServer) version() string {
	if m.Build.FerretDB != "" {
		return "FerretDB for " + m.Build.Version
	}
	return m.Build.Version
}

var errStandalone = errors.New("not a member of a replica set")

func (m mongoServer) refusal() error {
	if m.SetName == "" && m.Msg != "isdbgrid" && m.Build.FerretDB == "" {
		return errStandalone
	}
	return nil
}

func (m mongoServer) warnings() (out []string) {
	if m.Build.FerretDB != "" {
		out = append(out, "FerretDB stands in for MongoDB; it keeps what PostgreSQL keeps, knows no majority, and its updates are not atomic: good for trials")
	}
	if len(m.Build.Array) > 0 && m.Build.Array[0] < 6 {
		out = append(out, "MongoDB "+m.Build.Version+" is older than 6.0, which is the oldest that hubbub is made for")
	}
	return out
}

// refused says that trying again will not help: AuthenticationFailed, Unauthorized, or the client's own part of the authentication.
func refused(err error) bool {
	var server mongo.ServerError
	if errors.As(err, &server) && (server.HasErrorCode(18) || server.HasErrorCode(13) || server.HasErrorCode(8000)) {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "auth error") || strings.Contains(text, "AuthenticationFailed") ||
		strings.Contains(text, "(SQLSTATE 28") // FerretDB 1 hands the login on to PostgreSQL, whose class 28 is "invalid authorization"
}

// oneLine is an error in one line, whatever a server put into it.
type oneLine struct{ cause error }

func (o oneLine) Error() string { return strings.Join(strings.Fields(o.cause.Error()), " ") }
func (o oneLine) Unwrap() error { return o.cause }

// sentence makes what an operator reads. The cause stays in it as text only where it may hold the password.
func (o MongoOptions) sentence(err error) error {
	if err == nil {
		return nil
	}
	var newer newerSchema
	var differs indexDiffers
	safe := oneLine{o.redact(err)}
	switch {
	case errors.As(err, &newer):
		return fmt.Errorf("the store %s was written by a newer hubbub (schema %d, this one knows %d); run that one, or restore a backup: %w",
			o, newer.has, mongoSchema, safe)
	case errors.Is(err, errForeign):
		return fmt.Errorf("the store %s belongs to another program; name another database with --store: %w", o, safe)
	case errors.As(err, &differs):
		return fmt.Errorf("the store %s can not be used: %w", o, safe)
	case errors.Is(err, errStandalone):
		return fmt.Errorf("the store %s is a mongod on its own; start it with --replSet NAME and run rs.initiate() once (one member will do): %w", o, safe)
	case refused(err):
		return fmt.Errorf("the store %s refuses the user or the password in its address, or gives this user no right to the database; "+
			"users are looked up in that database unless ?authSource=admin is given: %w", o, safe)
	case strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: "):
		return fmt.Errorf("the store %s can not be reached over TLS; look at tls and tlsCAFile in its address: %w", o, safe)
	case o.scheme == "mongodb+srv" && strings.Contains(err.Error(), "lookup"):
		return fmt.Errorf("the store %s has no entry in DNS (mongodb+srv looks for _mongodb._tcp.%s): %w", o, o.Hosts, safe)
	}
	return fmt.Errorf("the store %s can not be reached, or has no primary; start it, or name another with --store: %w", o, safe)
}
