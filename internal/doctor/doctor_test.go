package doctor_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"

	"github.com/hubbub-chat/hubbub/internal/doctor"
)

func TestTheReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finds := func(seen string, found ...doctor.Finding) func(context.Context) (string, []doctor.Finding) {
			return func(context.Context) (string, []doctor.Finding) { return seen, found }
		}
		var out bytes.Buffer
		probes := []doctor.Probe{
			{Name: "log", At: "kafka://a:1/chat", Look: finds("3 brokers",
				doctor.Finding{Where: "topic", What: "odd.", Mend: "Look."},
				doctor.Finding{Grave: true, What: "two\nlines.", Mend: "One."})},
			{Name: "bus", At: "redis://b:2", Look: finds("")},
			{Name: "store", At: "mongodb://c/chat", Look: finds("", doctor.Finding{What: "slow.", Mend: "Hurry."})},
		}
		grave, slight := doctor.Run(t.Context(), &out, probes)
		want := "log       bad   kafka://a:1/chat  (3 brokers)\n  ✗ two lines.\n    → One.\n  ! topic: odd.\n    → Look.\n" +
			"bus       ok    redis://b:2\nstore     look  mongodb://c/chat\n  ! slow.\n    → Hurry.\n"
		if out.String() != want || grave != 1 || slight != 2 {
			t.Errorf("%d grave, %d slight:\n%s", grave, slight, out.String())
		}
	})
}

// A probe that never answers is a finding, and the others are looked at all the same.
func TestAProbeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		var out bytes.Buffer
		grave, slight := doctor.Run(t.Context(), &out, []doctor.Probe{
			{Name: "bus", At: "redis://b:2", Look: func(context.Context) (string, []doctor.Finding) { <-let; return "", nil }},
			{Name: "store", At: "mongodb://c", Look: func(context.Context) (string, []doctor.Finding) { return "fine", nil }},
		})
		if grave != 1 || slight != 0 || !bytes.Contains(out.Bytes(), []byte("did not answer within 15s")) || !bytes.Contains(out.Bytes(), []byte("(fine)")) {
			t.Errorf("%d grave, %d slight:\n%s", grave, slight, out.String())
		}
		close(let)
	})
}

// A probe that panics is a finding, and ends nothing else.
func TestAProbeThatPanics(t *testing.T) {
	var out bytes.Buffer
	grave, slight := doctor.Run(t.Context(), &out, []doctor.Probe{
		{Name: "bus", At: "redis://b:2", Look: func(context.Context) (string, []doctor.Finding) { panic("why not") }},
		{Name: "store", At: "mongodb://c", Look: func(context.Context) (string, []doctor.Finding) { return "fine", nil }},
	})
	if grave != 1 || slight != 0 || !bytes.Contains(out.Bytes(), []byte("a defect of hubbub: why not")) || !bytes.Contains(out.Bytes(), []byte("(fine)")) {
		t.Errorf("%d grave, %d slight:\n%s", grave, slight, out.String())
	}
}
