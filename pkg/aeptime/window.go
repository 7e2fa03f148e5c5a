package aeptime

import "time"

// Window is a run's data window: the run works on the source files that were changed from
// Start until End. Adobe shows it in the run's activities, as windowStart and windowEnd of
// durationSummary.extensions. A re-trigger processes the files of the same window and
// none that came later. The zero value is a window that is not known.
type Window struct{ Start, End time.Time }

// ParseWindow reads a window's two times by [Parse]; each is zero where it can't be read.
func ParseWindow(start, end []byte) Window { return Window{Parse(start), Parse(end)} }

// IsZero reports whether nothing of the window is known.
func (w Window) IsZero() bool { return w.Start.IsZero() && w.End.IsZero() }

// Same reports whether both windows are known and the same, to the millisecond. Windows
// that overlap are not the same: each has data that the other does not have.
func (w Window) Same(other Window) bool {
	return !w.IsZero() && w.Start.Equal(other.Start) && w.End.Equal(other.End)
}

// Join returns the window from the earlier start to the later end, as a run's activities
// may each tell of a part. A time that is not known is passed over.
func (w Window) Join(other Window) Window {
	if w.Start.IsZero() || !other.Start.IsZero() && other.Start.Before(w.Start) {
		w.Start = other.Start
	}
	if other.End.After(w.End) {
		w.End = other.End
	}
	return w
}

// Whole returns the window if it has a start and a later end. Otherwise it returns the
// zero value: half a window does not tell which data a run works on.
func (w Window) Whole() Window {
	if w.Start.IsZero() || !w.Start.Before(w.End) {
		return Window{}
	}
	return w
}

// String is the window as an interval of ISO 8601, such as
// 2026-11-23T05:00:00Z/2026-11-23T06:00:00Z.
func (w Window) String() string {
	return w.Start.UTC().Format(time.RFC3339Nano) + "/" + w.End.UTC().Format(time.RFC3339Nano)
}
