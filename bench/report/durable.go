package main

import (
	"errors"
	"fmt"
)

// leastDurable is what is asked of durable sends, as a part of the bare log.
const leastDurable = 0.25

// senders says what each server does for a send.
var senders = map[string]string{
	"hubbub":     "`hubbub serve`: on disk before the ack, the persister on",
	"testserver": "`testserver --chat`: nothing durable",
	"node":       "Node: nothing durable",
}

// durable makes the table of the senders who are each alone in a room; empty when they were not measured.
func (a *results) durable() (string, error) {
	if ours := len(a.runs[measurement{"senders", "hubbub"}]); ours == 0 && len(a.bare) == 0 {
		return "", nil
	} else if ours == 0 || len(a.bare) == 0 {
		return "", errors.New("the durable sends and the bare log belong together, and one is missing")
	}
	bare := spreadOf(a.bare)
	text := "\n| 256 senders, each alone in a room | sends a second | of the bare log | ack p50, ms | p99, ms | asked |\n|---|--:|--:|--:|--:|---|\n" +
		fmt.Sprintf("| bare segment log, 256 appenders, no sockets | %s | 1 | | | |\n", bare)
	for _, server := range []string{"hubbub", "testserver", "node"} {
		line, err := a.senders(server, bare.median)
		if err != nil {
			return "", err
		}
		text += line
	}
	return text, nil
}

// senders makes one server's line; empty when it was not measured.
func (a *results) senders(server string, bare float64) (string, error) {
	runs := a.runs[measurement{"senders", server}]
	if len(runs) == 0 {
		return "", nil
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
	asked := ""
	if server == "hubbub" {
		asked = row{asked: leastDurable, atLeast: true}.verdict(rate / bare)
	}
	return fmt.Sprintf("| %s | %s | **%.2f×** | %s | %s | %s |\n", senders[server], cells[0], rate/bare, cells[1], cells[2], asked), nil
}
