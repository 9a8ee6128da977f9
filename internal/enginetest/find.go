package enginetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrMissing is the cause when an engine's program is not installed.
var ErrMissing = errors.New("run scripts/engines (make services does)")

func missing(engine, what string) error {
	return fmt.Errorf("%s is not installed (no %s): %w", engine, what, ErrMissing)
}

// Root is the checkout that the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("checkout: %w", err)
	}
	for {
		if b, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(b), "module github.com/hubbub-chat/hubbub\n") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("the working directory is not in a checkout of Hubbub")
		}
		dir = up
	}
}

// engine is the path of something that scripts/engines made.
func engine(name, part string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, ".cache", "engines", part)
	if _, err := os.Stat(path); err != nil {
		return "", missing(name, filepath.Join(".cache", "engines", part))
	}
	return path, nil
}

// postgresProgram finds a program of PostgreSQL: Debian keeps initdb and others in a folder of the version, out of the path.
func postgresProgram(name string) (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return found[0], nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", missing("PostgreSQL", name)
	}
	return path, nil
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// ServicesDir is the folder in which `make services` keeps what it runs.
func ServicesDir() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, ".cache", "services"), nil
}

// service is one address of the file that `make services` writes, "" when it is not there.
func service(name string) string {
	dir, err := ServicesDir()
	if err != nil {
		return ""
	}
	f, err := os.Open(filepath.Join(dir, "env"))
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "HUBBUB_SERVICES_"+name+"="); ok {
			return value
		}
	}
	return ""
}

// Answers asks the engine at an address such as "redis://127.0.0.1:23456" whether it is there: one question, two seconds.
func Answers(ctx context.Context, addr string) error {
	scheme, hostport, _ := strings.Cut(addr, "://")
	switch scheme {
	case "redis":
		_, err := redisCommand(ctx, hostport, "PING")
		return err
	case "kafka":
		return kafkaAnswers(ctx, hostport)
	case "mongodb":
		return mongoAnswers(ctx, hostport)
	case "postgres":
		return postgresRun(ctx, "psql", hostport, "-qAt", "-c", "select 1", "postgres")
	}
	return fmt.Errorf("no engine is known by the address %q", addr)
}
