package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/socketio"
)

// session is the first event after CONNECT.
type session struct {
	User         chat.User   `json:"user"`
	Token        string      `json:"token,omitempty"`
	Log          string      `json:"log"`
	ServerTime   int64       `json:"serverTime"`
	Rooms        []ownedRoom `json:"rooms"`
	RoomsUnknown bool        `json:"roomsUnknown,omitempty"`
	Status       Status      `json:"status"`
}

// ownedRoom is a room with how the user stands to it; Since is where his membership began.
type ownedRoom struct {
	Room  chat.Room `json:"room"`
	State string    `json:"state"`
	Since chat.Seq  `json:"since,omitempty"`
}

// resume is a room that a CONNECT names in `since`.
type resume struct {
	room  chat.RoomID
	since chat.Seq
	reset bool // it cannot be resumed, and the client is told so
}

// roomsWithin bounds the look at a user's rooms: some clients wait no longer than 1 s for the answer to their CONNECT.
const roomsWithin = 500 * time.Millisecond

// admit is the middleware of CONNECT: it tells who the client is and prepares what he is told first.
func (g *Gateway) admit(ctx context.Context, in *socketio.Connecting) error {
	f := parseFields([]json.RawMessage{in.Auth}, g.cfg.Limits.JSONDepth)
	cred := Credentials{Token: f.text("token"), Name: f.text("name"), PID: plainPID(in.PID)}
	since, log := f.places("since"), f.text("log")
	if f.err != nil {
		return g.refuse(f.err)
	}
	who, err := g.cfg.Auth.Authenticate(ctx, cred)
	if err != nil {
		return g.refuse(err)
	}
	c := newConn(g, in.Socket, who)
	admitted := false
	defer func() {
		if !admitted {
			c.close()
		}
	}()
	c.plan(since, log != "" && log != g.cfg.LogName)
	c.early = in.PID != "" && len(c.since) > 0
	in.Socket.SetData(c)
	in.Socket.OnDisconnect(func(reason string) {
		g.counts.ended(reason)
		c.close()
	})
	stop := context.AfterFunc(ctx, c.cancel)
	g.add(c)
	mine := g.users.join(who.User.ID, c)
	c.mu.Lock()
	c.mine = mine
	c.mu.Unlock()
	filled := c.prepare(ctx)
	if !stop() { // the client has left
		return ctx.Err()
	}
	switch {
	case filled:
		in.AnswerPID(in.PID)
	case who.PID != "":
		in.AnswerPID(freshPID(who.PID))
	}
	admitted = true
	return nil
}

// plan lists what is to be resumed, at most maxSince rooms, and reserves their turns, so that requests for them wait.
func (c *conn) plan(since map[chat.RoomID]chat.Seq, otherLog bool) {
	for room, seq := range since {
		c.since = append(c.since, resume{room, seq, otherLog})
	}
	slices.SortFunc(c.since, func(a, b resume) int { return cmp.Compare(a.room, b.room) })
	for i := range c.since {
		if i >= maxSince {
			c.since[i].reset = true
		}
		if !c.since[i].reset {
			c.rooms.claim(c.since[i].room)
		}
	}
}

// prepare gathers what session says. For a client that presents a pid it fetches what he missed first, within Times.Resume, so that
// the echo of the pid is true: filled says that every room was filled without a gap.
func (c *conn) prepare(ctx context.Context) (filled bool) {
	c.mu.Lock()
	full := c.full
	c.mu.Unlock()
	fetched := make(chan bool, 1)
	if c.early {
		go func() { fetched <- c.resumeAll() }()
	}
	timeout := time.NewTimer(c.g.cfg.Times.Resume)
	defer timeout.Stop()
	greet := &session{User: c.who.User, Token: c.who.Token, Log: c.g.cfg.LogName, Rooms: []ownedRoom{}}
	if !c.who.Fresh {
		c.lookUpRooms(ctx, greet)
	}
	c.mu.Lock()
	c.greet = greet
	c.mu.Unlock()
	if !c.early {
		return false
	}
	select {
	case filled = <-fetched:
	case <-timeout.C:
	case <-full: // no use in waiting: the replay does
	case <-ctx.Done():
	}
	return filled
}

// lookUpRooms adds the user's memberships and invitations.
func (c *conn) lookUpRooms(ctx context.Context, greet *session) {
	ctx, cancel := context.WithTimeout(ctx, roomsWithin)
	defer cancel()
	own, err := c.g.cfg.Service.RoomsOf(ctx, c.who.User.ID, maxSince)
	greet.RoomsUnknown = err != nil
	for _, m := range own {
		greet.Rooms = append(greet.Rooms, ownedRoom{m.Room, stateName(m.Member.State), m.Member.Joined})
	}
}

// resumeAll resumes the rooms of `since`, some at a time, and says whether all were filled.
func (c *conn) resumeAll() bool {
	var wg sync.WaitGroup
	var next, missed atomic.Int64
	for range min(c.g.cfg.Limits.Resumes, len(c.since)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(c.since) {
					return
				}
				if !c.resume(c.since[i]) {
					missed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return missed.Load() == 0
}

// resume sends what came after a place of one room, then live; false: something is missing, and the client is told. A gap to 0 says
// that the room is not resumed. A private room and a missing one look alike.
func (c *conn) resume(r resume) (filled bool) {
	gap := chat.Gap{Room: r.room, From: r.since, Reason: chat.GapReset}
	if r.reset {
		c.push(Encoder{}.Gap(gap))
		return false
	}
	defer c.rooms.release(r.room)
	defer c.guard("resume")
	_, at, err := c.attach(c.ctx, r.room, r.since, false)
	switch {
	case err == nil:
		return at.Gaps == 0
	case c.ctx.Err() != nil:
		return false
	}
	gap.Reason = unheard(err)
	c.push(Encoder{}.Gap(gap))
	return false
}

// unheard is how a client is told why he does not hear a room.
func unheard(err error) chat.GapReason {
	switch chat.AsError(err).Code {
	case chat.CodeNotFound:
		return chat.GapNotFound
	case chat.CodeRateLimited:
		return chat.GapLimit
	}
	return chat.GapUnavailable
}

// refuse is what a client that is not let in gets to see.
func (g *Gateway) refuse(err error) error {
	e := chat.AsError(err)
	if e.Code == chat.CodeInternal {
		g.log.Error("authenticate a client", "error", err)
	}
	g.counts.answered(e.Code)
	return &socketio.ConnectError{Message: e.Message, Data: errorOf(e)}
}

// A JavaScript client takes itself for recovered when it gets back the very pid it presented. So what is handed out is the
// Authenticator's pid with a random tail, a new one each time.
const pidTail = "~"

func freshPID(pid string) string {
	var raw [9]byte
	rand.Read(raw[:])
	return pid + pidTail + base64.RawURLEncoding.EncodeToString(raw[:])
}

func plainPID(pid string) string {
	if i := strings.LastIndex(pid, pidTail); i >= 0 {
		return pid[:i]
	}
	return pid
}

// stateName is how clients are told of a membership.
func stateName(s chat.MemberState) string {
	switch s {
	case chat.StateJoined:
		return "joined"
	case chat.StateInvited:
		return "invited"
	}
	return "none"
}

func nowMillis() int64 { return time.Now().UnixMilli() }
