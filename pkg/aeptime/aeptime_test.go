package aeptime_test

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestTimeIsReadInEachSpellingThatAdobeUses(t *testing.T) {
	t.Parallel()
	want := at("2026-11-23T06:00:00Z")
	for _, raw := range []string{
		`1795413600`, `1795413600000`, `1795413600000000`, `"1795413600"`, `"1795413600000"`, `" 1795413600000 "`,
		`1795413600000.0`, `1.7954136e12`, `1795413600.0`, `"2026-11-23T06:00:00Z"`, `"2026-11-23T07:00:00+01:00"`, `"2026-11-23T06:00:00.000Z"`,
	} {
		if got := aeptime.Parse([]byte(raw)); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("Parse(%s) = %v, want %v", raw, got, want)
		}
	}
}

func TestUnreadableTimeIsTheZeroTime(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `null`, `true`, `{}`, `[]`, `""`, `"soon"`, `"NaN"`, `"Inf"`, `"0x1p40"`, `0`, `-1`, `-90000000000000`, `"0"`,
		`"9999-12-31T23:59:59Z"`, `"2200-01-01T00:00:00Z"`, `"1969-12-31T23:59:59Z"`, `7258118400000000`, `1e300`, `9223372036854775807`, `946684800000000000`,
	} {
		if got := aeptime.Parse([]byte(raw)); !got.IsZero() {
			t.Errorf("Parse(%s) = %v, want none", raw, got)
		}
	}
}

func TestSizeOfANumberTellsItsUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// A number of milliseconds before April 1970 could as well be one of seconds.
		want := time.UnixMilli(rapid.Int64Range(7_258_118_400, 7_258_118_400_000-1).Draw(t, "ms")).UTC()
		for unit, n := range map[string]int64{"milliseconds": want.UnixMilli(), "microseconds": want.UnixMicro()} {
			if got := aeptime.Parse([]byte(strconv.FormatInt(n, 10))); !got.Equal(want) {
				t.Fatalf("%s: Parse(%d) = %v, want %v", unit, n, got, want)
			}
		}
		if got := aeptime.Parse([]byte(strconv.FormatInt(want.Unix(), 10))); !got.Equal(want.Truncate(time.Second)) {
			t.Fatalf("seconds: Parse(%d) = %v, want %v", want.Unix(), got, want)
		}
	})
}

func TestEndOfARunIsTheFirstTimeThatCanBeTrue(t *testing.T) {
	t.Parallel()
	created, started, completed, updated := at("2026-11-23T06:00:00Z"), at("2026-11-23T06:01:00Z"), at("2026-11-23T06:05:00Z"), at("2026-11-23T06:06:00Z")
	before, ancient := created.Add(-time.Second), at("1970-01-21T18:43:33Z")
	for i, tt := range []struct {
		run  aeptime.Run
		want time.Time
	}{
		{aeptime.Run{Created: created, Started: started, Completed: completed, Updated: updated}, completed},
		{aeptime.Run{Created: created, Started: started, Updated: updated}, updated},
		{aeptime.Run{Created: created, Started: started, Completed: before, Updated: updated}, updated},
		{aeptime.Run{Created: created, Started: started, Completed: before, Updated: before}, started},
		{aeptime.Run{Created: created, Started: before, Completed: before, Updated: before}, created},
		{aeptime.Run{Completed: ancient, Updated: updated}, updated},
		{aeptime.Run{Created: ancient, Completed: ancient}, time.Time{}},
		{aeptime.Run{}, time.Time{}},
	} {
		t.Run(strconv.Itoa(i+1), func(t *testing.T) {
			t.Parallel()
			if got := tt.run.Ended(); !got.Equal(tt.want) {
				t.Errorf("Ended() = %v, want %v", got, tt.want)
			}
		})
	}
}
