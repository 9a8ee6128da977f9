package msglog

import (
	"errors"
	"fmt"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// NextDisk begins a disk log's next generation behind after: it is empty, and its seqs are above all of the old one's, whose files stay
// in the directory and are read no more. The directory must not be in use. Errors: *segment.LockedError; *segment.IdentityError for another
// generation than after; what the disk says.
func NextDisk(dir string, after int) error {
	if after >= chat.MaxGeneration {
		return fmt.Errorf("generation %d is the last that a seq has space for", after)
	}
	d, err := segment.OpenDir(dir)
	if err != nil {
		return err
	}
	unlock, err := d.Lock()
	if err != nil {
		return err
	}
	_, err = segment.NextManifest(d, after)
	return errors.Join(err, unlock())
}
