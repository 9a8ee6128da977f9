package store

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mongoDatabase is the database when the address names none.
const mongoDatabase = "hubbub"

// MongoOptions say where a MongoDB store is. ParseMongo makes them. Printing them shows no credentials.
type MongoOptions struct {
	Database string       // its name is the deployment's
	Hosts    string       // as in the address
	Logger   *slog.Logger // for warnings at the start; default: none

	scheme string
	uri    string // with the credentials: never printed
}

// String gives the address without credentials and options.
func (o MongoOptions) String() string { return o.scheme + "://" + o.Hosts + "/" + o.Database }

// GoString is String: %#v shows no credentials either.
func (o MongoOptions) GoString() string { return o.String() }

// ParseMongo reads mongodb://[user:password@]host[:port][,…][/database][?options] and mongodb+srv://… as MongoDB's connection string
// specification has them. The error is one sentence without the credentials. Whatever the options say, writes wait for the majority
// and its journal, and reads ask the primary.
func ParseMongo(addr string) (MongoOptions, error) {
	bad := func(format string, args ...any) (MongoOptions, error) {
		return MongoOptions{}, fmt.Errorf("the store's address (--store mongodb://…): "+format, args...)
	}
	scheme, rest, ok := strings.Cut(addr, "://")
	if !ok || scheme != "mongodb" && scheme != "mongodb+srv" {
		return bad("write mongodb://host:port/database or mongodb+srv://name/database")
	}
	head, query, _ := strings.Cut(rest, "?")
	authority, database, _ := strings.Cut(head, "/")
	user, hosts := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, hosts = authority[:at], authority[at+1:]
	}
	switch {
	case strings.ContainsAny(database+query, "@") && user == "": // a slash or a question mark in a password
		return bad("write the characters / ? @ : %% of a user name or password as %%2F %%3F %%40 %%3A %%25")
	case hosts == "":
		return bad("it names no host")
	case scheme == "mongodb+srv" && strings.ContainsAny(hosts, ":,"):
		return bad("mongodb+srv:// takes one name without a port, not %s", hosts)
	}
	database, err := url.PathUnescape(database)
	if err != nil || !databaseName(database) {
		return bad("%q can not be a database: use letters, digits, - and _, at most 38 of them, and not admin, local or config", database)
	}
	if database == "" {
		database = mongoDatabase
	}
	o := MongoOptions{Database: database, Hosts: hosts, scheme: scheme, uri: addr}
	if scheme == "mongodb" { // the other one asks DNS; OpenMongo does that
		if err := o.client().Validate(); err != nil {
			return bad("%s", o.redact(err))
		}
	}
	return o, nil
}

// databaseName says whether name may be a database. It also begins the store's name, and with that the name of a consumer group.
func databaseName(name string) bool {
	for _, r := range name {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return len(name) <= 38 && name != "admin" && name != "local" && name != "config"
}

// client makes the driver's options of the address alone.
func (o MongoOptions) client() *options.ClientOptions { return options.Client().ApplyURI(o.uri) }

// redact gives an error's text without the password, in whatever spelling.
func (o MongoOptions) redact(err error) error {
	text := err.Error()
	_, rest, _ := strings.Cut(o.uri, "://")
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return err
	}
	_, password, _ := strings.Cut(authority[:at], ":")
	plain, unescaped := url.PathUnescape(password)
	for _, secret := range []string{o.uri, authority[:at], password, plain} {
		if secret != "" && unescaped == nil {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	if unescaped != nil {
		text = "the user name or password is not escaped as in an address (% is %25)"
	}
	return errors.New(text)
}
