package main

import (
	"fmt"
	"slices"
	"strings"
)

// spread is a figure's rounds.
type spread struct{ low, median, high float64 }

func spreadOf(all []float64) spread {
	s := slices.Sorted(slices.Values(all))
	n := len(s)
	return spread{s[0], (s[(n-1)/2] + s[n/2]) / 2, s[n-1]}
}

func (s spread) String() string {
	if figure(s.low) == figure(s.high) {
		return figure(s.median)
	}
	return fmt.Sprintf("%s (%s–%s)", figure(s.median), figure(s.low), figure(s.high))
}

// figure writes three significant digits, with commas in the thousands.
func figure(v float64) string {
	switch {
	case v < 0:
		return "-" + figure(-v)
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	unit := 1.0
	for v/unit >= 999.5 {
		unit *= 10
	}
	return thousands(fmt.Sprintf("%.0f", v/unit) + strings.Repeat("0", len(fmt.Sprintf("%.0f", unit))-1))
}

// thousands puts commas into a whole number.
func thousands(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
