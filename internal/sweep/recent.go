package sweep

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// sweepsList is the list of all sweeps whose progress the table has.
const sweepsList = "sweeps"

// Lister is the part of a [store.Table] that reads the newest records of a list.
type Lister interface {
	List(ctx context.Context, index, value string, limit int) ([]store.Record, error)
}

// place is where a sweep stands in the list: by when it was begun.
func place(p *progress) string { return p.Begun.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// Saved is a sweep as the table has it.
type Saved struct {
	// Report is what it has done so far.
	Report Report
	// Since and Until are its bounds, Flows and Codes what it was narrowed to, and Limit is
	// the most runs that it may request.
	Since, Until time.Time
	Flows, Codes []string
	Limit        int
	// Asked is when it was asked for, By whom, and Why: both are what the caller said. They
	// are empty for a scheduled sweep.
	Asked   time.Time
	By, Why string
	// Targets are the orgs and sandboxes that it is of.
	Targets []Target
}

// Recent returns the sweeps that were begun last, at most limit, the newest last. They are
// kept for 15 days. A sweep that works just now may lag behind.
func Recent(ctx context.Context, lister Lister, limit int) ([]Saved, error) {
	records, err := lister.List(ctx, store.IndexList, sweepsList, limit)
	if err != nil {
		return nil, err
	}
	var all []Saved
	for _, r := range slices.Backward(records) {
		var p progress
		if json.Unmarshal([]byte(r["progress"]), &p) != nil {
			continue // of another version
		}
		s := Saved{Report: p.Report, Since: p.Since, Until: p.Until, Flows: p.Flows, Codes: p.Codes, Limit: p.Limit, Asked: p.Asked, By: p.By, Why: p.Why}
		s.Report.ID = r[store.AttributeKey][len(keyPrefix):]
		s.Report.State = Continues
		if p.done() {
			s.Report.State = Finished
		}
		for i := range p.Parts {
			for _, sandbox := range p.Parts[i].Sandboxes {
				s.Targets = append(s.Targets, Target{p.Parts[i].OrgID, sandbox})
			}
		}
		all = append(all, s)
	}
	return all, nil
}
