// Package aeptime reads the times that Adobe Experience Platform writes. It is the
// one place that does: events, runs that were asked for, and listed runs all come
// through it.
//
// Adobe's documents say that times are milliseconds since 1970. Adobe's own samples
// also have seconds, text in RFC 3339, and numbers in quotes, and one run may mix
// them. So [Parse] tells the unit by the size of the number, and [Run.Ended] believes
// no time that can't be true.
package aeptime

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// The years in which a time counts as one: from 1970 on, and before 2200. The bounds
// keep the units apart, too: 2200 in seconds is a smaller number than any
// millisecond after March 1970.
const (
	firstSecond = 0
	endSecond   = 7_258_118_400 // 2200-01-01T00:00:00Z
)

// earliestEnd is 1990-01-01 in seconds since 1970, long before there was a dataflow. A
// number that is no time at all, such as a count, would be a day of the years before.
const earliestEnd = 631_152_000

// Parse reads a time from a JSON value: a number of seconds, milliseconds or
// microseconds since 1970, which are told apart by their size; the same number in
// quotes; or text in RFC 3339. The result is in UTC, cut to milliseconds. Anything
// else, and a time before 1970 or after 2199, is the zero time.
//
// Example: 1795413600, 1795413600000, "1795413600000" and "2026-11-23T06:00:00Z"
// are the same time.
func Parse(raw []byte) time.Time {
	text := string(raw)
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) != nil {
		return time.Time{}
	}
	text = strings.TrimSpace(text)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return valid(t)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return fromNumber(n, float64(n))
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX") || math.IsNaN(n) || math.Abs(n) > math.MaxInt64/2 {
		return time.Time{}
	}
	return fromNumber(int64(n), n)
}

// fromNumber reads a number of which whole is the whole part.
func fromNumber(whole int64, n float64) time.Time {
	switch {
	case whole <= 0: // 0 is how Adobe writes that there is no time yet
		return time.Time{}
	case whole < endSecond:
		return valid(time.UnixMilli(int64(n * 1e3)))
	case whole < endSecond*1e3:
		return valid(time.UnixMilli(whole))
	default:
		return valid(time.UnixMicro(whole))
	}
}

func valid(t time.Time) time.Time {
	if s := t.Unix(); s < firstSecond || s >= endSecond {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// Run are the times of one run, as [Parse] read them; each may be zero.
type Run struct{ Created, Started, Completed, Updated time.Time }

// Ended is when the run ended, as far as its times can be believed: when it was
// completed, or else last updated, or else started, or else created. A time before
// the run's creation is passed over, and so is one from before 1990. It is zero where
// no time is left.
func (r Run) Ended() time.Time {
	for _, t := range []time.Time{r.Completed, r.Updated, r.Started, r.Created} {
		if !t.IsZero() && !t.Before(r.Created) && t.Unix() >= earliestEnd {
			return t
		}
	}
	return time.Time{}
}
