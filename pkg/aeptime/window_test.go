package aeptime_test

import (
	"testing"

	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

func TestWindowOfSeveralActivitiesGoesFromTheEarliestStartToTheLatestEnd(t *testing.T) {
	t.Parallel()
	const five, six, seven = `"2026-11-23T05:00:00Z"`, `1795413600000`, `"1795417200"`
	hour := aeptime.ParseWindow([]byte(five), []byte(six))
	for name, tt := range map[string]struct {
		parts [][2]string
		want  aeptime.Window
	}{
		"one activity":             {[][2]string{{five, six}}, hour},
		"a second one without":     {[][2]string{{five, six}, {``, `null`}}, hour},
		"start and end apart":      {[][2]string{{five, ``}, {``, six}}, hour},
		"one after the other":      {[][2]string{{six, seven}, {five, six}}, aeptime.Window{Start: hour.Start, End: at("2026-11-23T07:00:00Z")}},
		"one within the other":     {[][2]string{{five, seven}, {five, six}}, aeptime.Window{Start: hour.Start, End: at("2026-11-23T07:00:00Z")}},
		"no start":                 {[][2]string{{`0`, six}}, aeptime.Window{}},
		"no end":                   {[][2]string{{five, `0`}}, aeptime.Window{}},
		"an end before its start":  {[][2]string{{six, five}}, aeptime.Window{}},
		"an end at its start":      {[][2]string{{six, six}}, aeptime.Window{}},
		"what can't be read":       {[][2]string{{`{}`, `"soon"`}}, aeptime.Window{}},
		"nothing from any of them": {nil, aeptime.Window{}},
	} {
		var got aeptime.Window
		for _, part := range tt.parts {
			got = got.Join(aeptime.ParseWindow([]byte(part[0]), []byte(part[1])))
		}
		if got = got.Whole(); got != tt.want {
			t.Errorf("%s: the window is %s, want %s", name, got, tt.want)
		}
	}
}

func TestOnlyKnownWindowsAreTheSame(t *testing.T) {
	t.Parallel()
	w := aeptime.Window{Start: at("2026-11-23T05:00:00Z"), End: at("2026-11-23T06:00:00Z")}
	other := w
	other.End = at("2026-11-23T06:00:01Z")
	local := w
	local.Start = at("2026-11-23T06:00:00+01:00")
	for name, tt := range map[string]struct {
		a, b aeptime.Window
		want bool
	}{
		"the same": {w, w, true}, "in another zone": {w, local, true}, "overlapping": {w, other, false}, "one is not known": {w, aeptime.Window{}, false}, "neither is known": {aeptime.Window{}, aeptime.Window{}, false},
	} {
		if got := tt.a.Same(tt.b); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
	if got := w.String(); got != "2026-11-23T05:00:00Z/2026-11-23T06:00:00Z" {
		t.Errorf("the window is %s", got)
	}
}
