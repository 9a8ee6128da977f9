package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/trial/crowd"
)

// kill ends the server with SIGKILL at random moments under load, starts it again, and judges at the end.
func kill(ctx context.Context, o options) error {
	s, err := newServer(o)
	if err != nil {
		return err
	}
	defer s.remove()
	if err := s.start(ctx); err != nil {
		return err
	}
	c, err := crowd.Gather(ctx, o.crowd(s.addr))
	if err != nil {
		c.Leave()
		return err
	}
	c.Talk()
	rng := rand.New(rand.NewPCG(o.seed, 1))
	began, slowest := time.Now(), time.Duration(0)
	for i := range o.kills {
		pause(ctx, time.Duration(100+rng.IntN(1500))*time.Millisecond)
		if err := s.lives(); err != nil {
			return fmt.Errorf("before kill %d: %w", i+1, err)
		}
		s.kill(syscall.SIGKILL)
		from := time.Now()
		if err := s.start(ctx); err != nil {
			return fmt.Errorf("after kill %d: %w", i+1, err)
		}
		slowest = max(slowest, time.Since(from))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	pause(ctx, time.Second)
	fmt.Printf("%d kills in %v; slowest start %v\n", o.kills, time.Since(began).Round(time.Second), slowest.Round(time.Millisecond))
	if err := c.Finish(ctx); err != nil {
		return err
	}
	fmt.Println("kill: passed")
	return nil
}
