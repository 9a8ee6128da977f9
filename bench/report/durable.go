package main

import (
	"errors"
	"fmt"
)

// leastDurable is what is asked of durable sends, as a part of the bare log.
const leastDurable = 0.25

// durable makes the table of the durable sends; empty when they were not measured.
func (a *results) durable() (string, error) {
	runs := a.runs[measurement{"senders", "hubbub"}]
	if len(runs) == 0 && len(a.bare) == 0 {
		return "", nil
	}
	if len(runs) == 0 || len(a.bare) == 0 {
		return "", errors.New("the durable sends and the bare log belong together, and one is missing")
	}
	var cells []string
	var rate float64
	for _, path := range []string{"acks_per_s", "ack_ms.p50", "ack_ms.p99"} {
		values, err := row{path: path}.values(runs)
		if err != nil {
			return "", fmt.Errorf("senders: %w", err)
		}
		if path == "acks_per_s" {
			rate = spreadOf(values).median
		}
		cells = append(cells, spreadOf(values).String())
	}
	bare := spreadOf(a.bare)
	asked := row{asked: leastDurable, atLeast: true}.verdict(rate / bare.median)
	return fmt.Sprintf("\n| durable | a second | | ack p50, ms | p99, ms | asked |\n|---|--:|--:|--:|--:|---|\n"+
		"| bare segment log, 256 appenders | %s | 1 | | | |\n| `hubbub serve`, 256 senders each alone in a room | %s | **%.2f×** | %s | %s | %s |\n",
		bare, cells[0], rate/bare.median, cells[1], cells[2], asked), nil
}
