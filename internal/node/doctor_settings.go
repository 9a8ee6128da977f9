package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/doctor"
)

// lookAtSettings tries what a start would refuse beside the engines, and looks for what it would take and regret.
func lookAtSettings(ctx context.Context, c config.Config) (string, []doctor.Finding) {
	if err := c.Together(); err != nil {
		return "", grave(err.Error(), "Correct the flags.")
	}
	var out []doctor.Finding
	for _, setting := range []struct {
		flag string
		try  func() error
	}{
		{"--secret", func() error { return trySecret(c) }},
		{"--auth-key", func() error { return tryKeys(ctx, c) }},
		{"--advertise", func() error { _, err := auth.ParseNodeAddress(c.Advertise); return err }},
		{"--trust-proxy", func() error { _, err := auth.ParseProxies(c.TrustProxy); return err }},
		{"--origins", func() error { _, err := auth.ParseOrigins(c.Origins, nil, slog.New(slog.DiscardHandler)); return err }},
		{"--tls-cert, --tls-key", func() error { return tryCertificate(c) }},
	} {
		if err := setting.try(); err != nil {
			out = append(out, doctor.Finding{Grave: true, Where: setting.flag, What: err.Error(), Mend: "A node does not start with it: correct it."})
		}
	}
	if c.Secret != "" && len(c.Secret) < 32 && trySecret(c) == nil {
		out = append(out, doctor.Finding{Where: "--secret", What: fmt.Sprintf("It has %d characters.", len(c.Secret)), Mend: "Take 32 or more, at random: openssl rand -hex 32."})
	}
	if c.Shared() && c.Advertise == "" {
		out = append(out, doctor.Finding{Where: "--advertise", What: "It is not set: requests that reach another node than their session's are not forwarded.",
			Mend: "Give the address at which the other nodes reach this one, or let the load balancer keep sessions together."})
	}
	return "", out
}

// trySecret makes no key file where there is none yet.
func trySecret(c config.Config) error {
	if c.Secret == "" {
		return nil
	}
	_, err := auth.NewSecret(c.Secret)
	return err
}

func tryKeys(ctx context.Context, c config.Config) error {
	if c.AuthKey == "" {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx) // keys at an address are read again and again until then
	defer cancel()
	_, err := auth.LoadKeys(ctx, c.AuthKey, slog.New(slog.DiscardHandler))
	return err
}

func tryCertificate(c config.Config) error {
	if c.TLSCert == "" {
		return nil
	}
	_, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	return err
}
