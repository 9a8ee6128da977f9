package docs_test

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// metric is one that a node has: its type, and the labels that it may have. A histogram is three of them, which belong to one family.
type metric struct {
	kind   string
	labels map[string]bool
	family string // of a histogram's bucket, sum and count; else ""
}

var (
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\w+) (\w+)$`)
	sampleLine = regexp.MustCompile(`(?m)^(\w+)(?:\{([^}]*)\})? `)
	labelName  = regexp.MustCompile(`(\w+)="`)
)

// scrape adds the metrics of a running node.
func (r *running) scrape(t *testing.T, into map[string]metric) {
	t.Helper()
	res, err := http.Get("http://" + r.addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %d %v", res.StatusCode, err)
	}
	for _, m := range typeLine.FindAllStringSubmatch(string(body), -1) {
		series := map[string]metric{m[1]: {kind: m[2], labels: map[string]bool{}}}
		if m[2] == "histogram" {
			series = ofHistogram(m[1])
		}
		for name, s := range series {
			if _, known := into[name]; !known {
				into[name] = s
			}
		}
	}
	for _, m := range sampleLine.FindAllStringSubmatch(string(body), -1) {
		for _, label := range labelName.FindAllStringSubmatch(m[2], -1) {
			if known, ok := into[m[1]]; ok {
				known.labels[label[1]] = true
			}
		}
	}
}

// allMetrics are those of a node on its own disk, and of one in a cluster. What Prometheus adds is there too.
func allMetrics(t *testing.T) map[string]metric {
	t.Helper()
	all := map[string]metric{"up": {kind: "gauge", labels: map[string]bool{}}}
	start(t, t.TempDir()).scrape(t, all)
	name, kafka := enginetest.Name(t), enginetest.Kafka(t)
	t.Cleanup(func() { enginetest.ForgetTopics(t, kafka, name) })
	start(t, t.TempDir(), "--log", kafka+"/"+name+"?partitions=4", "--bus", enginetest.Redis(t)+"?name="+name, "--store", enginetest.Mongo(t)+"/"+name,
		"--secret", "the secret of a test's cluster, long enough", "--allow-single-broker").scrape(t, all)
	if len(all) < 60 || all["hubbub_kafka_waiting"].kind == "" || all["hubbub_log_bytes"].kind == "" {
		t.Fatalf("only %v", slices.Sorted(maps.Keys(all)))
	}
	return all
}

var (
	functions = []string{"rate", "increase", "delta", "sum", "min", "max", "by", "histogram_quantile"}
	operators = []string{"or", "and", "unless"}
	word      = regexp.MustCompile(`[A-Za-z_:][A-Za-z0-9_:]*`)
	selector  = regexp.MustCompile(`([a-z_:]+)(\{[^}]*\})?(\[[^\]]*\])?`)
	matcher   = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"`)
	grouping  = regexp.MustCompile(`\bby \(([^)]*)\)`)
	counted   = regexp.MustCompile(`\b(rate|increase|delta)\(([a-z_]+)`)
)

// faults says what is wrong with an expression of PromQL, as far as the deployment's own files use it: metrics, labels and functions that are
// not there, a counter that is shown as it is, a gauge of which a rate is taken. used gets its metrics.
func faults(expr string, all map[string]metric, used map[string]bool) (out []string) {
	expr = strings.NewReplacer("[$__rate_interval]", "[5m]", "$instance", "x", "$job", "x").Replace(expr)
	risen := map[string]string{}
	for _, m := range counted.FindAllStringSubmatch(expr, -1) {
		risen[m[2]] = m[1]
	}
	rest := expr
	labels := map[string]bool{} // of the metrics of this expression
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		known, ok := all[m[1]]
		if !ok {
			continue
		}
		used[cmp.Or(known.family, m[1])] = true
		maps.Copy(labels, known.labels)
		rest = strings.Replace(rest, m[0], " ", 1)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !known.labels[l[1]] && l[1] != "job" && l[1] != "instance" {
				out = append(out, m[1]+" has no label "+l[1])
			}
		}
		if left := strings.Trim(matcher.ReplaceAllString(m[2], ""), "{}, "); left != "" {
			out = append(out, "the matchers "+m[2]+" can not be read")
		}
		how, isRisen := risen[m[1]]
		switch counter := known.kind == "counter" || known.kind == bucket; {
		case counter && (!isRisen || how == "delta"):
			out = append(out, m[1]+" only rises: its rate or increase says something, it does not")
		case !counter && isRisen && how != "delta":
			out = append(out, m[1]+" is no counter: it has no "+how)
		case isRisen != (m[3] != ""):
			out = append(out, m[1]+": a time in brackets goes with rate, increase and delta")
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ", ") {
			if !labels[label] && label != "instance" && label != "job" {
				out = append(out, "there is no label "+label+" to group by")
			}
		}
		rest = strings.Replace(rest, m[0], " by ", 1)
	}
	for _, w := range word.FindAllString(rest, -1) {
		if !slices.Contains(functions, w) && !slices.Contains(operators, w) {
			out = append(out, w+" is no metric of any node")
		}
	}
	out = append(out, quantileFaults(expr, all)...)
	if strings.Count(expr, "(") != strings.Count(expr, ")") {
		out = append(out, "its parentheses do not match")
	}
	return out
}

// What the judge of expressions must find.
func TestFaultsAreFound(t *testing.T) {
	all := map[string]metric{"a_total": {"counter", map[string]bool{"reason": true}, ""}, "b": {"gauge", nil, ""}}
	for expr, wrong := range map[string]bool{
		`b > 1`: false, `sum by (reason) (rate(a_total{reason=~"x|y", job="$job"}[5m])) > 50`: false, `delta(b[1h])`: false, `b / b > 0.9 or b == 1`: false,
		`c > 1`: true, `b{reason="x"} > 1`: true, `a_total > 1`: true, `rate(b[5m])`: true, `increase(a_total)`: true, `sum by (who) (b)`: true, `avg(b)`: true,
		`sum((b)`: true, `delta(a_total[5m])`: true, `rate(a_total{who="x"}[5m])`: true, `b[5m]`: true,
	} {
		if got := faults(expr, all, map[string]bool{}); (len(got) > 0) != wrong {
			t.Errorf("%s: %q", expr, got)
		}
	}
}

// The table of alarms, the rules for Prometheus and the dashboard use metrics and labels that nodes have; the rules are those of the table; and
// every metric of a node is in a panel.
func TestAlarmsAndDashboard(t *testing.T) {
	all := allMetrics(t)
	alarms := map[string][2]string{}
	for _, cells := range table(section(t, read(t, "operations.md"), "Alarms"), "alarm", "expression", "for", "what it means", "do") {
		name, expr := strings.Trim(cells[0], "`"), strings.Trim(cells[1], "`")
		alarms[name] = [2]string{expr, cells[2]}
		for _, f := range faults(expr, all, map[string]bool{}) {
			t.Errorf("operations.md, %s: %s", name, f)
		}
		if cells[3] == "" || cells[4] == "" {
			t.Errorf("operations.md does not say what %s means or what to do", name)
		}
		if !regexp.MustCompile(` (>|==) [0-9.]+$`).MatchString(expr) {
			t.Errorf("operations.md: %s has no threshold", name)
		}
	}
	if len(alarms) < 10 {
		t.Fatalf("only %d alarms", len(alarms))
	}
	if rules := readRules(t); !maps.Equal(rules, alarms) {
		t.Errorf("the rules are\n%v\nthe table has\n%v", rules, alarms)
	}
	shown := map[string]bool{}
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			for _, f := range faults(target.Expr, all, shown) {
				t.Errorf("the panel %q: %s: %s", p.Title, target.Expr, f)
			}
			for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if m[1] != "instance" && !strings.Contains(target.Expr, "by ("+m[1]+")") {
					t.Errorf("the panel %q names its lines by %s, which they do not have", p.Title, m[1])
				}
			}
		}
	}
	for name, m := range all {
		if strings.HasPrefix(name, "hubbub_") && !shown[cmp.Or(m.family, name)] {
			t.Errorf("%s is in no panel of the dashboard", name)
		}
	}
}

func readRules(t *testing.T) map[string][2]string {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../deploy/prometheus-alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	out := map[string][2]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			out[r.Alert] = [2]string{r.Expr, r.For}
			if r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s has no summary or severity", r.Alert)
			}
		}
	}
	return out
}

// dashboard is what is looked at of deploy/grafana-dashboard.json.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct{ List []struct{ Name, Type string } }
	Panels        []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ X, Y, W, H int }
		Targets                  []struct{ Expr, LegendFormat, RefID string }
		Datasource               struct{ Type, UID string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "../deploy/grafana-dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The dashboard is one that Grafana takes: panels with a place of their own, with words, and with variables that there are.
func TestTheDashboardIsWellFormed(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 {
		t.Errorf("%q %q %d", d.UID, d.Title, d.SchemaVersion)
	}
	variables := []string{"__rate_interval"}
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	for _, m := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(read(t, "../deploy/grafana-dashboard.json"), -1) {
		if !slices.Contains(variables, m[1]) {
			t.Errorf("there is no variable %s", m[1])
		}
	}
	ids, taken, queries := map[int]bool{}, map[[2]int]string{}, 0
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x > 23 {
					t.Fatalf("%q lies on %q, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		queries += len(p.Targets)
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}") {
			t.Errorf("%q has no description, no query or no data source", p.Title)
		}
	}
	if queries < 30 {
		t.Errorf("only %d queries", queries)
	}
}
