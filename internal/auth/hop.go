package auth

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// HopHeader marks a request that one node forwards to another, and the answer to it.
const HopHeader = "Hubbub-Hop"

// hopLife is for how long before and after its time a mark counts: enough for clocks that differ, too little to keep one for later.
const hopLife = 2 * time.Minute

// Errors of Hops.Verify.
var (
	// ErrHop: not a mark made with this secret for this session id.
	ErrHop = errors.New("the mark of a forwarded request is not signed with this secret")
	// ErrHopTime: a mark of another time.
	ErrHopTime = errors.New("the mark of a forwarded request is too old or from the future")
)

// Hops marks requests that are forwarded to the node of their session id, and tells such marks from forged ones. A mark is bound to
// one session id and to a time, and carries the client's address, which the second node could not see. It is
//
//	1 <s since 1970> <client's address, or -> <MAC>
//
// Who steals one from the wire between two nodes can, for two minutes, say that he has that address, in that session.
type Hops struct {
	key []byte
	now func() time.Time
}

// NewHops makes a Hops over the deployment's secret. now is nil for the clock.
func NewHops(s Secret, now func() time.Time) *Hops {
	if now == nil {
		now = time.Now
	}
	return &Hops{key: s.Key("hop"), now: now}
}

// Mark gives the mark for a request of this session id from this client. An invalid address says that it is not known.
func (h *Hops) Mark(sid string, client netip.Addr) string {
	from := "-"
	if client.IsValid() {
		from = client.Unmap().WithZone("").String()
	}
	body := "1 " + strconv.FormatInt(h.now().Unix(), 10) + " " + from
	return body + " " + h.sign("ask", body, sid)
}

// Verify gives the client's address that a mark carries (invalid: not known), or ErrHop or ErrHopTime.
func (h *Hops) Verify(mark, sid string) (netip.Addr, error) {
	if len(mark) > 200 || sid == "" {
		return netip.Addr{}, ErrHop
	}
	i := strings.LastIndexByte(mark, ' ')
	if i < 0 || !hmac.Equal([]byte(mark[i+1:]), []byte(h.sign("ask", mark[:i], sid))) {
		return netip.Addr{}, ErrHop
	}
	parts := strings.Split(mark[:i], " ")
	if len(parts) != 3 || parts[0] != "1" {
		return netip.Addr{}, ErrHop
	}
	at, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return netip.Addr{}, ErrHop
	}
	if age := h.now().Sub(time.Unix(at, 0)); age > hopLife || age < -hopLife {
		return netip.Addr{}, ErrHopTime
	}
	if parts[2] == "-" {
		return netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(parts[2])
	if err != nil {
		return netip.Addr{}, ErrHop
	}
	return addr, nil
}

// Answer gives what the answer to a marked request carries: it proves that a node of this deployment gave it, and not something else
// that has been given the node's address since.
func (h *Hops) Answer(mark string) string { return h.sign("answer", mark, "") }

// Answered says whether an answer to a marked request carries that proof.
func (h *Hops) Answered(mark, proof string) bool {
	return hmac.Equal([]byte(proof), []byte(h.Answer(mark)))
}

func (h *Hops) sign(use, body, sid string) string {
	return base64.RawURLEncoding.EncodeToString(mac(h.key, use+"\n"+body+"\n"+sid))
}
