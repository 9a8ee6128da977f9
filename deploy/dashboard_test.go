package deploy_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// panel is what Grafana shows of a panel. (docs/metrics_test.go holds the queries against the metrics, and the places against each other.)
type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr, RefID string }
}

type grafana struct {
	Templating struct {
		List []struct{ Name, Type, Query any }
	}
	Panels []panel
}

func readGrafana(t *testing.T) grafana {
	t.Helper()
	var g grafana
	if err := json.Unmarshal([]byte(read(t, "grafana-dashboard.json")), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// measured says of which kind a query's value is: a time, events a second, a share, bytes, or else a plain number.
func measured(expr string) string {
	switch {
	case strings.HasPrefix(expr, "histogram_quantile(") && strings.Contains(expr, "_seconds_bucket{"):
		return "time"
	case strings.Contains(expr, "_bytes{"):
		return "bytes"
	case strings.Contains(expr, "} / "):
		return "share"
	case strings.Contains(expr, "_seconds_total{"):
		return "cores"
	case strings.Contains(expr, "rate("):
		return "rate"
	}
	return "number"
}

// units are those of Grafana that a kind may be shown in.
var units = map[string][]string{"time": {"s"}, "bytes": {"bytes"}, "share": {"percentunit"}, "cores": {"none", "short"}, "rate": {"cps", "ops", "short"},
	"number": {"none", "short"}}

// Each panel has a unit, and it is one in which all of its queries may be shown.
func TestUnitsOfTheDashboard(t *testing.T) {
	shown := 0
	for _, p := range readGrafana(t).Panels {
		if p.Type == "row" {
			continue
		}
		shown++
		unit := p.FieldConfig.Defaults.Unit
		if unit == "" {
			t.Errorf("panel %d, %q, has no unit", p.ID, p.Title)
			continue
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if is := measured(q.Expr); !slices.Contains(units[is], unit) {
				t.Errorf("panel %d, %q, shows a %s in %s: %s", p.ID, p.Title, is, unit, q.Expr)
			}
			if refs[q.RefID] || q.RefID == "" {
				t.Errorf("panel %d, %q, has two queries %q", p.ID, p.Title, q.RefID)
			}
			refs[q.RefID] = true
		}
	}
	if shown < 20 {
		t.Fatalf("only %d panels", shown)
	}
}

// Every panel stands below a row's heading, and every row has some; the rows are those that an operator looks for.
func TestRowsOfTheDashboard(t *testing.T) {
	below := map[string]int{}
	row := ""
	panels := readGrafana(t).Panels
	slices.SortStableFunc(panels, func(a, b panel) int { return a.GridPos.Y - b.GridPos.Y })
	for _, p := range panels {
		switch {
		case p.GridPos.W < 1 || p.GridPos.H < 1 || p.GridPos.X < 0 || p.GridPos.Y < 0 || p.ID < 1:
			t.Errorf("panel %d, %q, has no place: %+v", p.ID, p.Title, p.GridPos)
		case p.Type == "row":
			row = p.Title
			below[row] += 0
		case row == "":
			t.Errorf("%q is in no row", p.Title)
		default:
			below[row]++
		}
	}
	for title, n := range below {
		if n == 0 {
			t.Errorf("the row %q is empty", title)
		}
	}
	for _, about := range []string{"(?i)people|sockets", "Messages", "Live path|Bus", "Saving|Store", "Log", "Between nodes", "Process"} {
		if !slices.ContainsFunc(panels, func(p panel) bool { return p.Type == "row" && regexp.MustCompile(about).MatchString(p.Title) }) {
			t.Errorf("there is no row about %s", about)
		}
	}
}

// The source of data is chosen by who looks: no panel and no variable names one of somebody's Grafana.
func TestTheDataSourceIsAVariable(t *testing.T) {
	g := readGrafana(t)
	if !slices.ContainsFunc(g.Templating.List, func(v struct{ Name, Type, Query any }) bool {
		return v.Name == "datasource" && v.Type == "datasource" && v.Query == "prometheus"
	}) {
		t.Errorf("the variables are %v", g.Templating.List)
	}
	named := regexp.MustCompile(`"datasource": \{\s*"type": "([^"]*)",\s*"uid": "([^"]*)"`).FindAllStringSubmatch(read(t, "grafana-dashboard.json"), -1)
	if len(named) < 20 {
		t.Fatalf("only %d sources of data", len(named))
	}
	for _, m := range named {
		if m[1] != "prometheus" || m[2] != "${datasource}" {
			t.Errorf("a source of data is %s", m[0])
		}
	}
}
