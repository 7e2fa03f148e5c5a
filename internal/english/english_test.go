package english_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
)

func TestThousandsStandApart(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 12345: "12,345", 1234567: "1,234,567", -999: "-999", -1000: "-1,000"} {
		if got := english.Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestOneThingIsSingular(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 runs", 1: "1 run", 2: "2 runs", 10000: "10,000 runs"} {
		if got := english.Count(n, "run"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestLengthsOfTime(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]struct{ length, precise string }{
		0:                               {"0 s", "0 s"},
		59 * time.Second:                {"59 s", "59 s"},
		125 * time.Second:               {"2 min", "2 min 5 s"},
		3 * time.Minute:                 {"3 min", "3 min"},
		10*time.Minute + 12*time.Second: {"10 min", "10 min"},
		2*time.Hour + 5*time.Minute:     {"2 h", "2 h 5 min"},
		47 * time.Hour:                  {"47 h", "1 d 23 h"},
		48 * time.Hour:                  {"2 days", "2 d"},
	} {
		if got := english.Length(d); got != want.length {
			t.Errorf("Length(%s) = %q, want %q", d, got, want.length)
		}
		if got := english.Precise(d); got != want.precise {
			t.Errorf("Precise(%s) = %q, want %q", d, got, want.precise)
		}
	}
	if got := english.Length(-2 * time.Hour); got != "0 s" {
		t.Errorf("the length of a time that is ahead is %q", got)
	}
}
