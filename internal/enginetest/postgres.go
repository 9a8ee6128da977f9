package enginetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// StartPostgres starts the PostgreSQL under a FerretDB. Options.Dir is for its log only: the data is in a temporary folder
// outside the checkout, of the user postgres when we are root, since PostgreSQL refuses to run as root and cannot reach data
// under a folder that it may not enter. The context bounds the start only.
func StartPostgres(ctx context.Context, o Options) (*Server, error) {
	initdb, err := postgresProgram("initdb")
	if err != nil {
		return nil, err
	}
	program, err := postgresProgram("postgres")
	if err != nil {
		return nil, err
	}
	who, err := postgresUser()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, temp, err := folder("postgres", "")
	if err != nil {
		return nil, err
	}
	log := filepath.Join(dir, "postgres.log")
	if o.Dir != "" {
		log = filepath.Join(o.Dir, "postgres.log")
	}
	s := &Server{addr: "postgres://" + loopback(port), dir: dir, temp: temp}
	if who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return nil, errors.Join(fmt.Errorf("PostgreSQL's folder: %w", err), s.Stop())
		}
	}
	data := filepath.Join(dir, "data")
	cmd := exec.CommandContext(ctx, initdb, "-D", data, "-A", "trust", "-U", "hubbub", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), s.Stop())
	}
	// Without fsync a loss of power loses data, a kill -9 does not: this is for tests.
	s.make = func() spec {
		return spec{name: "PostgreSQL", log: log, detached: o.Detached, user: who, death: syscall.SIGQUIT, stop: syscall.SIGINT,
			args: []string{program, "-D", data, "-p", strconv.Itoa(port), "-k", "", "-c", "listen_addresses=127.0.0.1",
				"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=400", "-c", "shared_buffers=64MB"}}
	}
	s.ready = func(ctx context.Context, _ *process) error {
		return postgresRun(ctx, "psql", strings.TrimPrefix(s.addr, "postgres://"), "-qAt", "-c", "select 1", "postgres")
	}
	return begin(ctx, s)
}

// postgresUser is the user to run PostgreSQL as: postgres for root, else nil for ourselves.
func postgresUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres to run it as: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
