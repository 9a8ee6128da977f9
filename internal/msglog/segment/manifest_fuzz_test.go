package segment_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// FuzzManifest: whatever log.json holds, it is a manifest with an id, a generation and a count, or an error in one line.
func FuzzManifest(f *testing.F) {
	for _, s := range []string{"", "{}", "null", `{"format": 1, "id": "00112233445566778899aabbccddeeff", "generation": 1, "partitions": 4}`,
		`{"format": 9, "id": "00112233445566778899aabbccddeeff", "generation": 1, "partitions": 4}`, `{"format": 1, "id": "x", "generation": -1, "partitions": 1e9}`,
		`{"partitions": 99999999999999999999}`, "[1]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := faultfs.New()
		disk.Put(segment.ManifestName, data)
		m, err := segment.ReadManifest(disk)
		if err != nil {
			var newer *segment.FormatError
			if !errors.As(err, &newer) && !strings.Contains(err.Error(), segment.ManifestName) {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		if id, err := m.LogID(); err != nil || id == (segment.ID{}) && strings.Trim(m.ID, "0") != "" || m.Generation < 1 || m.Partitions < 1 || m.Format < 1 {
			t.Fatalf("%q: %+v, %v", data, m, err)
		}
	})
}
