package store

import "github.com/hubbub-chat/hubbub/internal/chat"

// What both engines hold to, in one place.

// checkLog refuses what can be no log.
func checkLog(l chat.LogInfo) error {
	if l.ID == "" || len(l.Partitions) == 0 || l.Generation < 1 || l.Generation > chat.MaxGeneration {
		return chat.Errorf(chat.CodeInvalid, "a log needs an identity, a generation and partitions")
	}
	return nil
}

// adoptable says whether a store that remembers old may take on l; done: it has. Another log must be of a higher generation, for else
// its places would be taken already.
func adoptable(old, l chat.LogInfo) (done bool, _ error) {
	switch {
	case old.ID == l.ID && (old.Generation != l.Generation || len(old.Partitions) != len(l.Partitions)):
		return false, chat.Errorf(chat.CodeConflict, "log %s had generation %d and %d partitions, it can not have others now",
			l.ID, old.Generation, len(old.Partitions))
	case old.ID == l.ID:
		return true, nil
	case old.ID != "" && l.Generation <= old.Generation:
		return false, chat.Errorf(chat.CodeConflict, "another log must be of a generation above %d", old.Generation)
	}
	return false, nil
}

// memberChanges says whether m changes the membership of one whose last change, at rev, led to the state old. It follows the rules of
// chat.View.Fold. What is below rev has been folded already; what is above and changed nothing then changes nothing now, since the
// state has not changed in between.
func memberChanges(old chat.MemberState, rev chat.Seq, m chat.Member) bool {
	in := old == chat.StateJoined || old == chat.StateInvited
	switch {
	case m.Rev <= rev,
		m.State == chat.StateJoined && old == chat.StateJoined,
		m.State == chat.StateInvited && in,
		m.State == chat.StateLeft && !in:
		return false
	}
	return true
}
