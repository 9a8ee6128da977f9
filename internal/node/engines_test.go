package node

import (
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/config"
)

// A store that does not answer at the start is named by its address. The name goes into the name of a consumer group and into Redis, where
// others read it: whatever the address is, nothing of its user, password or options is in it, and it is one that a group may have.
func TestTheNameOfAStoreThatDoesNotAnswer(t *testing.T) {
	for addr, want := range map[string]string{
		"mongodb://ann:hunter2@db":                                         "hubbub",
		"mongodb://ann:hunter2@db/":                                        "hubbub",
		"mongodb://ann:hunter2@db/chat":                                    "chat",
		"mongodb://ann:hunter2@db:27017,db2:27017":                         "hubbub",
		"mongodb://ann:hunter2@db/?tlsCertificateKeyFilePassword=hunter2":  "hubbub",
		"mongodb://ann:hunter2@db/chat?authMechanismProperties=A:hunter2":  "chat",
		"mongodb://ann:hunter2@db/chat?authSource=admin&appName=hunter2/x": "chat",
		"mongodb://db":                              "hubbub",
		"mongodb+srv://ann:hunter2@db.example":      "hubbub",
		"mongodb+srv://ann:hunter2@db.example/chat": "chat",
		"mongodb://ann:hun/ter2@db":                 "store", // no address that MongoDB knows: a slash in the password
		"mongodb://ann:hunter2":                     "store",
		"mongodb://db/hunter2@":                     "store",
		"sqlite:hubbub-data/history.db":             "history.db",
		"sqlite:/var/lib/hubbub/talk.db":            "talk.db",
	} {
		scheme, rest, _ := strings.Cut(addr, ":")
		got := nameByAddress(config.Address{Scheme: scheme, Rest: rest})
		if got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
		for _, secret := range []string{"hunter", "ter2", "ann", "@", ":"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: %q shows %q", addr, got, secret)
			}
		}
	}
}
