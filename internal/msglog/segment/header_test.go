package segment_test

import (
	"encoding/binary"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// TestHeaderGoneWithTheFirstRecord: the first sector of the newest file is lost, and with it the header and the first of a batch that was
// synced. A header is durable before any record is written, so the rest of the batch tells that this file was used.
func TestHeaderGoneWithTheFirstRecord(t *testing.T) {
	disk := faultfs.New()
	log := mustOpen(t, options(disk))
	fill(t, log, 0, 10)
	began, release := hang(disk)
	answers := make(chan error, 20)
	done := func(_, _ int64, err error) { answers <- err }
	log.Append([]byte(body(10)), done)
	<-began
	for n := 11; n < 17; n++ { // they gather, and are too many for the file
		log.Append([]byte(body(n)), done)
	}
	close(release)
	for range 7 {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	disk.SetHook(nil)
	names := segments(t, disk)
	newest := names[len(names)-1]
	b := content(t, disk, newest)
	at := starts(b)
	if len(at) < 4 || binary.LittleEndian.Uint32(b[at[len(at)-2]+8:]) != 0 {
		t.Fatalf("the newest file has %d records, not in one batch", len(at)-1)
	}
	if err := disk.Edit(newest, func(b []byte) []byte { clear(b[:at[1]]); return b }); err != nil {
		t.Fatal(err)
	}
	spoilt, err := segment.Open(options(disk.Clone()))
	if err == nil {
		es, _ := all(spoilt)
		_ = spoilt.Close()
		t.Fatalf("it is begun again: of 17 acknowledged records %d are left", len(es))
	}
	if d := damage(t, err); d.File != newest {
		t.Errorf("damage %+v", d)
	}
}
