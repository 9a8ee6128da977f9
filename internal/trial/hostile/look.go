package hostile

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Metrics are the numbers of a server, by name with labels as they are written.
type Metrics map[string]float64

// SlowClients is the metric of the sockets that were closed because they did not read.
const SlowClients = `hubbub_sockets_ended_total{reason="slow client"}`

// Ended gives the sockets that ended, by reason.
func (m Metrics) Ended() map[string]int {
	ended := map[string]int{}
	for name, n := range m {
		if rest, ok := strings.CutPrefix(name, `hubbub_sockets_ended_total{reason="`); ok && n > 0 {
			ended[strings.TrimSuffix(rest, `"}`)] = int(n)
		}
	}
	return ended
}

// Scrape reads /metrics. The connection is not kept.
func Scrape(ctx context.Context, addr string) (Metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	res, err := (&http.Client{Timeout: within}).Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics answers %d", res.StatusCode)
	}
	m := Metrics{}
	in := bufio.NewScanner(res.Body)
	for in.Scan() {
		line := in.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		if n, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			m[line[:at]] = n
		}
	}
	return m, in.Err()
}

// rooms finds the rooms of the load. The list is as of the store, which may be a little behind.
func (s *stage) rooms(ctx context.Context, w *wire) ([]string, error) {
	for deadline := time.Now().Add(within); ; {
		var all []string
		for cursor := ""; ; {
			payload := map[string]any{"query": "bench", "limit": 100}
			if cursor != "" {
				payload["cursor"] = cursor
			}
			var page struct {
				Rooms  []struct{ ID string }
				Cursor string
			}
			data, err := w.ask(1, "room:list", payload, nothing)
			if err == nil {
				err = json.Unmarshal(data, &page)
			}
			if err != nil {
				return nil, err
			}
			for _, r := range page.Rooms {
				all = append(all, r.ID)
			}
			if cursor = page.Cursor; cursor == "" {
				break
			}
		}
		switch {
		case len(all) >= s.Rooms:
			return all, nil
		case time.Now().After(deadline):
			return nil, fmt.Errorf("%d rooms are listed, and there are %d", len(all), s.Rooms)
		case !s.rest(100 * time.Millisecond):
			return nil, errors.New("stopped before the rooms were found")
		}
	}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
