package socketio

import (
	"context"
	"strconv"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// Answer is one socket's answer to a broadcast.
type Answer struct {
	Socket *Socket
	Arguments
}

// EmitWithAck sends an event and waits for the client's answer. It must not be called by a handler of the same connection (see the
// package comment), except OnConnection. Errors: ctx's, ErrNotConnected also when the client leaves, ErrTooManyAcks, those of Emit.
func (s *Socket) EmitWithAck(ctx context.Context, name string, args ...any) (Arguments, error) {
	id := s.ns.nextAck()
	f, err := s.ns.frame(strconv.FormatUint(id, 10), name, args)
	if err != nil {
		return Arguments{}, err
	}
	done := make(chan result, 1)
	err = s.expect(id, f, func(a Arguments, err error) { done <- result{Answer{s, a}, err} })
	if err != nil {
		return Arguments{}, err
	}
	r, err := next(ctx, done)
	if err != nil {
		s.forget(id)
		return Arguments{}, err
	}
	return r.Arguments, r.err
}

// EmitWithAck sends the event to all sockets addressed and collects their answers, in the order they come. It returns when all that
// are still there have answered, or with ctx's error and the answers so far.
func (b Broadcast) EmitWithAck(ctx context.Context, name string, args ...any) ([]Answer, error) {
	id := b.ns.nextAck()
	f, err := b.ns.frame(strconv.FormatUint(id, 10), name, args)
	if err != nil {
		return nil, err
	}
	targets := b.targets()
	results := make(chan result, len(targets))
	asked := targets[:0]
	for _, s := range targets {
		if s.expect(id, f, func(a Arguments, err error) { results <- result{Answer{s, a}, err} }) == nil {
			asked = append(asked, s)
		}
	}
	answers := make([]Answer, 0, len(asked))
	for range asked {
		r, err := next(ctx, results)
		if err != nil {
			for _, s := range asked {
				s.forget(id)
			}
			return answers, err
		}
		if r.err == nil {
			answers = append(answers, r.Answer)
		}
	}
	return answers, nil
}

// result is an answer, or why there is none.
type result struct {
	Answer
	err error
}

// next waits for a result. What is there counts also when ctx has ended.
func next(ctx context.Context, results <-chan result) (result, error) {
	select {
	case r := <-results:
		return r, nil
	default:
	}
	select {
	case r := <-results:
		return r, nil
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
}

// expect sends f and has then called exactly once, with the answer or with ErrNotConnected, unless forget comes first. When it
// returns an error, then is not called.
func (s *Socket) expect(id uint64, f *engineio.Frame, then func(Arguments, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != stateOpen:
		return ErrNotConnected
	case len(s.acks) >= s.session.srv.opt.MaxAcks:
		return ErrTooManyAcks
	}
	if err := s.session.eio.Send(f); err != nil {
		return err
	}
	if s.acks == nil {
		s.acks = make(map[uint64]func(Arguments, error))
	}
	s.acks[id] = then // before any answer can be looked up: that needs s.mu
	return nil
}

func (s *Socket) forget(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.acks, id)
}

// answered takes a client's ACK. One that nobody waits for is ignored.
func (s *Socket) answered(in *incoming) {
	id, err := strconv.ParseUint(in.ID, 10, 64)
	if err != nil {
		return
	}
	s.mu.Lock()
	then := s.acks[id]
	delete(s.acks, id)
	s.mu.Unlock()
	if then != nil {
		then(Arguments{Args: in.Args, Attachments: in.attachments}, nil)
	}
}
