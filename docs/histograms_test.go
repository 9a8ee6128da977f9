package docs_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// bucket is the kind of a histogram's buckets: counters of which one alone says nothing.
const bucket = "bucket"

// ofHistogram gives the series of a histogram, which are what queries can name.
func ofHistogram(name string) map[string]metric {
	return map[string]metric{
		name + "_bucket": {bucket, map[string]bool{"le": true}, name},
		name + "_sum":    {"counter", map[string]bool{}, name},
		name + "_count":  {"counter", map[string]bool{}, name},
	}
}

var (
	quantile = regexp.MustCompile(`histogram_quantile\(([0-9.]+), sum by \(([^)]*)\) \(rate\(([a-z_]+)(?:\{[^}]*\})?\[[^\]]*\]\)\)\)`)
	buckets  = regexp.MustCompile(`[a-z_:]+_bucket\b`)
)

// quantileFaults says what is wrong with how an expression reads histograms. There is one way: the quantile of the rates of buckets, summed by
// le and perhaps more. Without rate it would be that of all time since the start, without le of nothing at all.
func quantileFaults(expr string, all map[string]metric) (out []string) {
	read := quantile.FindAllStringSubmatch(expr, -1)
	for _, m := range read {
		if q, err := strconv.ParseFloat(m[1], 64); err != nil || q <= 0 || q >= 1 {
			out = append(out, m[1]+" is no quantile: it lies between 0 and 1")
		}
		if !slices.Contains(strings.Split(m[2], ", "), "le") {
			out = append(out, "the buckets of "+m[3]+" are summed without le")
		}
		if all[m[3]].kind != bucket {
			out = append(out, m[3]+" is no histogram's bucket")
		}
	}
	rest := quantile.ReplaceAllString(expr, "")
	for _, name := range buckets.FindAllString(rest, -1) {
		out = append(out, name+" is read by histogram_quantile(q, sum by (le) (rate(...))) only")
	}
	if strings.Contains(rest, "histogram_quantile") {
		out = append(out, "histogram_quantile is not given (q, sum by (le) (rate(...)))")
	}
	return out
}

// What the judge must find in expressions with histograms, and what it must let pass.
func TestFaultsOfHistogramsAreFound(t *testing.T) {
	all := map[string]metric{"a_total": {"counter", map[string]bool{"reason": true}, ""}, "b": {"gauge", nil, ""}}
	maps.Copy(all, ofHistogram("h_seconds"))
	for expr, wrong := range map[string]string{
		`histogram_quantile(0.99, sum by (le) (rate(h_seconds_bucket[5m]))) > 1`:                                             "",
		`histogram_quantile(0.5, sum by (le) (rate(h_seconds_bucket{job="$job", instance=~"$instance"}[$__rate_interval])))`: "",
		`histogram_quantile(0.5, sum by (instance, le) (rate(h_seconds_bucket[5m]))) or sum(rate(a_total[5m])) > 1`:          "",
		`rate(h_seconds_sum[5m]) / rate(h_seconds_count[5m])`:                                                                "",
		`increase(h_seconds_count[1h]) > 5`:                                                                                  "",
		`histogram_quantile(0.99, sum by (le) (h_seconds_bucket))`:                                                           "its rate or increase says something",
		`histogram_quantile(0.99, h_seconds_bucket)`:                                                                         "is not given (q, sum by (le)",
		`histogram_quantile(0.99, sum by (instance) (rate(h_seconds_bucket[5m])))`:                                           "summed without le",
		`histogram_quantile(0.99, sum(rate(h_seconds_bucket[5m])))`:                                                          "is not given (q, sum by (le)",
		`histogram_quantile(0.99, sum by (le) (rate(h_seconds_bucket)))`:                                                     "a time in brackets",
		`histogram_quantile(0.99, sum by (le) (delta(h_seconds_bucket[5m])))`:                                                "only rises",
		`histogram_quantile(0.99, sum by (le, who) (rate(h_seconds_bucket[5m])))`:                                            "there is no label who",
		`histogram_quantile(0.99, sum by (le) (rate(h_seconds_bucket{who="x"}[5m])))`:                                        "has no label who",
		`histogram_quantile(99, sum by (le) (rate(h_seconds_bucket[5m])))`:                                                   "is no quantile",
		`histogram_quantile(sum by (le) (rate(h_seconds_bucket[5m])))`:                                                       "is not given (q, sum by (le)",
		`histogram_quantile(0.99, sum by (le) (rate(h_seconds_count[5m])))`:                                                  "is no histogram's bucket",
		`histogram_quantile(0.99, sum by (le) (rate(a_total[5m])))`:                                                          "there is no label le",
		`histogram_quantile(0.99, sum by (le) (rate(h_seconds[5m])))`:                                                        "h_seconds is no metric",
		`histogram_quantile(0.99, sum by (le) (rate(g_seconds_bucket[5m])))`:                                                 "g_seconds_bucket is no metric",
		`h_seconds_bucket > 1`:                     "only rises",
		`h_seconds_bucket{le="1"} > 1`:             "only rises",
		`rate(h_seconds_bucket[5m])`:               "is read by histogram_quantile",
		`sum by (le) (rate(h_seconds_bucket[5m]))`: "is read by histogram_quantile",
		`histogram_quantile(0.99, sum by (le) (rate(h_seconds_bucket[5m]))) or sum(rate(h_seconds_bucket[5m]))`: "is read by histogram_quantile",
		`h_seconds_sum / h_seconds_count`:   "only rises",
		`rate(h_seconds_count{le="1"}[5m])`: "has no label le",
		`quantile(0.99, b)`:                 "quantile is no metric",
	} {
		got := faults(expr, all, map[string]bool{})
		if wrong == "" && len(got) > 0 || !strings.Contains(fmt.Sprint(got), wrong) {
			t.Errorf("%s: %q, want %q", expr, got, wrong)
		}
	}
	used := map[string]bool{}
	faults(`histogram_quantile(0.99, sum by (le) (rate(h_seconds_bucket[5m])))`, all, used)
	if !maps.Equal(used, map[string]bool{"h_seconds": true}) {
		t.Errorf("it uses %v", used)
	}
}

// What is scraped of a histogram is its series and their labels, and not the name of the family, which no query can ask for.
func TestHistogramsAreScraped(t *testing.T) {
	all := map[string]metric{}
	start(t, t.TempDir()).scrape(t, all)
	for _, name := range []string{"hubbub_append_seconds", "hubbub_live_seconds"} {
		if _, there := all[name]; there {
			t.Errorf("%s is taken for a metric of its own", name)
		}
		for series, want := range ofHistogram(name) {
			if got := all[series]; got.kind != want.kind || got.family != name || !maps.Equal(got.labels, want.labels) {
				t.Errorf("%s is %+v", series, got)
			}
		}
	}
}
