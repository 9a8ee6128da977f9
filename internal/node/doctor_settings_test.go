package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A setting with which a node would not start is found before it is tried: the doctor and the start say no to the same.
func TestDoctorRefusesWhatAStartRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	short, missing := filepath.Join(dir, "short"), filepath.Join(dir, "missing")
	if err := os.WriteFile(short, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, more := range map[string][]string{
		"--secret":      {"--secret", "too short"},
		"--auth-key":    {"--auth-key", short},
		"--auth-key ":   {"--auth-key", missing},
		"--origins":     {"--origins", "a/b"},
		"--trust-proxy": {"--trust-proxy", "all"},
		"--advertise":   {"--advertise", "nowhere"},
		"--tls-cert":    {"--tls-cert", short, "--tls-key", short},
	} {
		flag = strings.TrimSpace(flag)
		report, grave, _ := examine(t, append([]string{"--data", filepath.Join(t.TempDir(), "data"), "--listen", nobody(t)}, more...)...)
		if grave != 1 || !strings.Contains(line(report, "settings"), "bad") || !strings.Contains(report, flag) {
			t.Errorf("%v: %d grave:\n%s", more, grave, report)
		}
		if err := (&running{t: t, data: t.TempDir(), args: more}).try(); err == nil {
			t.Errorf("%v: a node starts with it", more)
		}
	}
	report, grave, slight := examine(t, "--data", filepath.Join(dir, "data"), "--listen", nobody(t), "--secret", "sixteen letters!")
	if grave != 0 || slight != 1 {
		t.Errorf("a secret that is short, and taken: %d grave, %d slight:\n%s", grave, slight, report)
	}
}
