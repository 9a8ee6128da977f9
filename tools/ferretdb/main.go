// Command ferretdb serves MongoDB's wire protocol on PostgreSQL: the stand-in for a mongod in Hubbub's tests.
//
//	ferretdb -listen 127.0.0.1:PORT -postgres postgres://hubbub@127.0.0.1:PORT/NAME
//
// It is a module of its own so that FerretDB's dependencies never weigh on the product. FerretDB's own command cannot be
// had by `go install` (its version file is empty there); its embeddable package can.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "address to serve MongoDB's wire protocol on")
	postgres := flag.String("postgres", "", "URL of the PostgreSQL database that keeps the documents")
	flag.Parse()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f, err := ferretdb.New(&ferretdb.Config{
		Listener:      ferretdb.ListenerConfig{TCP: *listen},
		Logger:        log,
		Handler:       "postgresql",
		PostgreSQLURL: *postgres,
	})
	if err == nil {
		err = f.Run(ctx)
	}
	if err != nil {
		log.Error("ferretdb ended", "err", err)
		os.Exit(1)
	}
}
