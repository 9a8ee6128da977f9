package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNameRunes bounds a name in characters, whatever their bytes.
const maxNameRunes = 80

// NormaliseName gives a room's or user's name as it is kept: without space around it, each run of space one blank. A name that is
// empty, cannot be seen, holds control or bidirectional formatting characters, or has more than maxBytes bytes is refused.
func NormaliseName(name string, maxBytes int) (string, error) {
	out, err := normalise("name", name, maxBytes, maxNameRunes)
	if err == nil && !visible(out) {
		return "", Errorf(CodeInvalid, "name: there must be something to see")
	}
	return out, err
}

// normalise is what names and topics have in common.
func normalise(field, text string, maxBytes, maxRunes int) (string, error) {
	if len(text) > 4*maxBytes { // before any work on it
		return "", Errorf(CodeTooLarge, "%s: at most %d bytes (--name-bytes)", field, maxBytes)
	}
	if !utf8.ValidString(text) {
		return "", Errorf(CodeInvalid, "%s: not valid UTF-8", field)
	}
	out := strings.Join(strings.Fields(text), " ")
	for _, r := range out {
		if unicode.IsControl(r) || bidi(r) || r == '\u2028' || r == '\u2029' {
			return "", Errorf(CodeInvalid, "%s: control and text direction characters are not allowed", field)
		}
	}
	if len(out) > maxBytes {
		return "", Errorf(CodeTooLarge, "%s: at most %d bytes (--name-bytes)", field, maxBytes)
	}
	if utf8.RuneCountInString(out) > maxRunes {
		return "", Errorf(CodeTooLarge, "%s: at most %d characters", field, maxRunes)
	}
	return out, nil
}

// checkText holds a message's text against the rules: not blank, at most the given bytes. Line breaks, tabs and other control
// characters stay as they are (they travel escaped), but for U+0000, which not every store can hold.
func checkText(text string, maxBytes int) error {
	switch {
	case len(text) > maxBytes:
		return Errorf(CodeTooLarge, "text: at most %d bytes (--text-bytes)", maxBytes)
	case !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0:
		return Errorf(CodeInvalid, "text: must be valid UTF-8 without U+0000")
	case !visible(text):
		return Errorf(CodeInvalid, "text: must not be blank")
	}
	return nil
}

// visible says whether a reader sees anything of s. Some blanks count as letters or symbols in Unicode's tables; they are named here.
func visible(s string) bool {
	for _, r := range s {
		switch r {
		case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800', '\u034f', '\u17b4', '\u17b5':
			continue
		}
		if unicode.IsControl(r) && !unicode.IsSpace(r) { // pages show a box for it
			return true
		}
		if unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.In(r, unicode.Mn, unicode.Variation_Selector) {
			return true
		}
	}
	return false
}

// bidi says whether r changes the direction of the text around it: it could make one name look like another.
func bidi(r rune) bool {
	return r == '\u061c' || r == '\u200e' || r == '\u200f' || '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}

// validUserID says whether a request may name such a user: what a token may hold, and never the system.
func validUserID(u UserID) bool {
	if u == "" || u == SystemUser || len(u) > 128 || !utf8.ValidString(string(u)) {
		return false
	}
	for _, r := range string(u) {
		if unicode.IsControl(r) || bidi(r) {
			return false
		}
	}
	return true
}
