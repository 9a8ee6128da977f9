package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/config"
)

// token prints a token for a user, signed with the deployment's own secret.
func token(args []string, out io.Writer) error {
	fs := flag.NewFlagSet("hubbub token", flag.ContinueOnError)
	user := fs.String("user", "", "the user's `id`")
	name := fs.String("name", "", "the user's `name` (default: the id)")
	ttl := fs.Duration("ttl", 24*time.Hour, "how long the token is valid")
	data := fs.String("data", env("data", "./hubbub-data"), "the server's data `directory`, where its secret is")
	secretText := fs.String("secret", env("secret", ""), "the server's --secret, if it has one")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	switch {
	case *user == "":
		return errors.New("token: -user is needed")
	case *ttl <= 0:
		return errors.New("token: -ttl must be above 0")
	case fs.NArg() > 0:
		return fmt.Errorf("token: %q is not a flag", fs.Arg(0))
	}
	secret, err := loadSecret(*data, *secretText)
	if err != nil {
		return err
	}
	if *name == "" {
		*name = *user
	}
	tokens := auth.NewTokens(secret, nil)
	text, err := tokens.Mint(chat.User{ID: chat.UserID(*user), Name: *name}, *ttl)
	if err != nil {
		return err
	}
	if _, _, err := tokens.Verify(text); err != nil { // an id that the server would refuse
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

func loadSecret(data, text string) (auth.Secret, error) {
	if text != "" {
		return auth.NewSecret(text)
	}
	// A new secret made here would only sign tokens that no server knows.
	if _, err := os.Stat(filepath.Join(data, auth.SecretFile)); err != nil {
		return auth.Secret{}, fmt.Errorf("there is no key file in %s: start the server once, or give -data or -secret", data)
	}
	return auth.LoadSecret(data)
}

func env(flagName, def string) string {
	if v := os.Getenv(config.Variable(flagName)); v != "" {
		return v
	}
	return def
}
