package sweep

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// maxSandboxes is how many sandboxes of orgs a sweep may be of: its progress is one
// item.
const maxSandboxes = 500

// progress is how far a sweep has come. It is bounded, since it is one item: a few
// counts for each of at most [maxFlows] dataflows, the sandboxes, and for each org the
// ids of one page at most.
type progress struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Begun time.Time `json:"begun"`
	Flows []string  `json:"flows,omitempty"`
	Codes []string  `json:"codes,omitempty"`
	Limit int       `json:"limit"`
	// Asked is when the sweep was asked for, By whom and Why: both are what the caller says.
	Asked time.Time `json:"asked,omitzero"`
	By    string    `json:"by,omitempty"`
	Why   string    `json:"why,omitempty"`

	// Parts are what is swept, an org each.
	Parts []part `json:"parts"`
	// Lease is until when an invocation works on the sweep, Unended counts those in a
	// row that have not given it back.
	Lease   time.Time `json:"lease"`
	Unended int       `json:"unended,omitempty"`

	Report Report `json:"report"`
}

// newProgress returns the beginning of a sweep that names its bounds as times.
func newProgress(req event.Sweep, limit int, asked time.Time) (progress, error) {
	p := progress{
		Asked: asked, By: req.By, Why: req.Reason,
		Since: instant(req.Since), Until: instant(req.Until),
		Flows: req.FlowIDs, Codes: req.Codes, Limit: cmp.Or(req.Limit, limit),
	}
	p.Report = Report{Since: p.Since, Until: p.Until}
	if !p.Until.After(p.Since) {
		return p, refuse("a sweep until %s can't begin at %s", stamp(p.Until), stamp(p.Since))
	}
	return p, nil
}

// add makes parts of those accounts that are asked for and have none. The sandboxes are
// those of the sweep, of its settings, of the org's secret, or the default one.
func (p *progress) add(accounts []*credentials.Account, req event.Sweep, o *Options) error {
	for _, a := range accounts {
		if len(req.OrgIDs) > 0 && !slices.Contains(req.OrgIDs, a.OrgID) || p.has(a.OrgID) {
			continue
		}
		sandboxes := req.Sandboxes
		if len(sandboxes) == 0 {
			sandboxes = o.Sandboxes
		}
		if own := cmp.Or(a.Sandbox, o.DefaultSandbox); len(sandboxes) == 0 && own != "" {
			sandboxes = []string{own}
		}
		if len(sandboxes) == 0 {
			return refuse("neither the sweep nor SWEEP_SANDBOXES, the secret of org %s or DEFAULT_SANDBOX name a sandbox", a.OrgID)
		}
		p.Parts = append(p.Parts, part{OrgID: a.OrgID, Sandboxes: sandboxes, From: p.Since, Ends: o.endCalls(&req)})
	}
	return nil
}

func (p *progress) has(orgID string) bool {
	return slices.ContainsFunc(p.Parts, func(c part) bool { return c.OrgID == orgID && !c.Secrets })
}

// missing tells why an org that is asked for has no part: its secret may be one of those
// that can't be read (fault), or there is none (absent). Neither means that none lacks.
func (p *progress) missing(orgIDs []string, faults []*credentials.Error) (fault, absent error) {
	missing := slices.IndexFunc(orgIDs, func(id string) bool { return !p.has(id) })
	switch {
	case len(faults) > 0 && (missing >= 0 || len(orgIDs) == 0):
		return faults[0], nil
	case missing >= 0:
		return nil, refuse("no configured secret is of org %s", orgIDs[missing])
	}
	return nil, nil
}

// sandboxes counts the sandboxes of all parts.
func (p *progress) sandboxes() int {
	n := 0
	for i := range p.Parts {
		n += len(p.Parts[i].Sandboxes)
	}
	return n
}

// done reports whether nothing is left.
func (p *progress) done() bool { return !p.Begun.IsZero() && p.unfinished() == nil }

// unfinished returns the part that can be gone on with first.
func (p *progress) unfinished() *part {
	var first *part
	for i := range p.Parts {
		if c := &p.Parts[i]; !c.done() && (first == nil || c.Wait.Before(first.Wait)) {
			first = c
		}
	}
	return first
}

// position changes as soon as an invocation has got anywhere.
func (p *progress) position() [4]int {
	at := [4]int{p.Report.Pages, p.Report.Restarts}
	for i := range p.Parts {
		at[1] += len(p.Parts[i].TooLarge)
		at[2] += p.Parts[i].Current
		at[3] += p.Parts[i].Ends
	}
	return at
}

// errElsewhere means that another invocation works on the sweep.
var errElsewhere = errors.New("another invocation works on this sweep")

// maxUnended is how many invocations in a row may end without a trace.
const maxUnended = 10

// lease begins an invocation's work on the sweep, unless another one works on it.
func (p *progress) lease(now, until time.Time) error {
	if now.Before(p.Lease) {
		return errElsewhere
	}
	if p.Unended++; p.Lease.IsZero() {
		p.Unended = 0
	}
	if p.Unended >= maxUnended {
		return refuse("%d invocations in a row have begun to work on it and none came to an end: it may kill the function", p.Unended)
	}
	p.Lease = until
	return nil
}
