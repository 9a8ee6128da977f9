package enginetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// StartMongo starts a FerretDB of its own, with a database of its own in a PostgreSQL: the one that the options name, or one
// that it starts too. Pause, Kill and Restart act on FerretDB only. The context bounds the start only.
func StartMongo(ctx context.Context, o Options) (*Server, error) {
	program, err := engine("FerretDB", "ferretdb")
	if err != nil {
		return nil, err
	}
	dir, temp, err := folder("mongo", o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, temp: temp}
	pg := o.Postgres
	if pg == "" {
		s.before, err = StartPostgres(ctx, Options{Dir: dir, Detached: o.Detached})
		if err != nil {
			return nil, errors.Join(err, s.Stop())
		}
		pg = strings.TrimPrefix(s.before.Addr(), "postgres://")
	}
	name := token()
	if err := postgresRun(ctx, "createdb", pg, name); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if o.Postgres != "" {
		s.after = func() { dropDatabase(pg, name) }
	}
	port, err := freePort()
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.addr = "mongodb://" + loopback(port)
	s.make = func() spec {
		return spec{name: "FerretDB", log: filepath.Join(dir, "ferretdb.log"), detached: o.Detached, death: syscall.SIGKILL, stop: syscall.SIGTERM,
			args: []string{program, "-listen", loopback(port), "-postgres", "postgres://hubbub@" + pg + "/" + name}}
	}
	s.ready = func(ctx context.Context, _ *process) error { return mongoAnswers(ctx, loopback(port)) }
	return begin(ctx, s)
}

// postgresRun runs a client program of PostgreSQL, such as createdb, on the server with the given host and port.
func postgresRun(ctx context.Context, program, addr string, args ...string) error {
	path, err := postgresProgram(program)
	if err != nil {
		return err
	}
	host, port, _ := strings.Cut(addr, ":")
	out, err := exec.CommandContext(ctx, path, append([]string{"-w", "-h", host, "-p", port, "-U", "hubbub"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s on PostgreSQL at %s: %w: %s", program, addr, err, out)
	}
	return nil
}

// dropDatabase keeps a shared PostgreSQL from growing. When it fails, the data goes with the PostgreSQL.
func dropDatabase(addr, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	_ = postgresRun(ctx, "dropdb", addr, "--force", "--if-exists", name)
}

// mongoAnswers sends {ping: 1}, which FerretDB answers when PostgreSQL answers too. See the MongoDB wire protocol, OP_MSG.
func mongoAnswers(ctx context.Context, addr string) error {
	c, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	doc := "\x10ping\x00\x01\x00\x00\x00" + "\x02$db\x00\x06\x00\x00\x00admin\x00" + "\x00"
	size := 16 + 4 + 1 + 4 + len(doc)
	msg := binary.LittleEndian.AppendUint32(nil, uint32(size))
	msg = binary.LittleEndian.AppendUint32(msg, 1)    // request id
	msg = binary.LittleEndian.AppendUint32(msg, 0)    // answer to
	msg = binary.LittleEndian.AppendUint32(msg, 2013) // OP_MSG
	msg = binary.LittleEndian.AppendUint32(msg, 0)    // flags
	msg = append(msg, 0)                              // a section of one document
	msg = binary.LittleEndian.AppendUint32(msg, uint32(4+len(doc)))
	if _, err := c.Write(append(msg, doc...)); err != nil {
		return fmt.Errorf("mongodb: %w", err)
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return fmt.Errorf("mongodb: %w", err)
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 26 || n > 1<<16 {
		return fmt.Errorf("mongodb: an answer of %d bytes to ping", n)
	}
	body := make([]byte, n-4)
	if _, err := io.ReadFull(c, body); err != nil {
		return fmt.Errorf("mongodb: %w", err)
	}
	if !strings.Contains(string(body), "\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f") { // ok: 1.0
		return fmt.Errorf("mongodb: ping was refused: %q", body)
	}
	return nil
}
