// Package status says how the function is set up and whether it is alive: what a person asks
// for first.
package status

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Credential is what Adobe says of an org's credential.
type Credential string

// What Adobe can say of a credential.
const (
	// Accepted means that IMS has given a token for it.
	Accepted Credential = "accepted"
	// Refused means that IMS or Adobe refuse it.
	Refused Credential = "refused"
	// Unavailable means that the secret, or IMS, can't be asked just now.
	Unavailable Credential = "unavailable"
	// Unknown means that no secret is of the org.
	Unknown Credential = "unknown"
)

// Org is an org that the function works for.
type Org struct {
	OrgID   string `json:"orgId,omitempty"`
	Sandbox string `json:"sandbox,omitempty"`
	// Credential is what Adobe says of the org's, Message the same in a sentence.
	Credential Credential `json:"credential"`
	Message    string     `json:"message,omitempty"`
	// LastEvent is when an event of Adobe's about the org was dealt with last, to within five
	// minutes. LastSweep is when a scheduled sweep was done with the org.
	LastEvent time.Time `json:"lastEvent,omitzero"`
	LastSweep time.Time `json:"lastSweep,omitzero"`
}

// Report is the answer.
type Report struct {
	// Version and Go are those of the binary, and Schema is the number of the form in which it
	// writes the ledger's entries.
	Version string `json:"version"`
	Go      string `json:"go"`
	Schema  int    `json:"schema"`
	// Mode is retry or observe. Paused means that the deployment has paused everything, which
	// no resume ends.
	Mode   string           `json:"mode"`
	Paused bool             `json:"paused"`
	Pauses []throttle.Pause `json:"pauses"`
	Orgs   []Org            `json:"orgs"`
	// Settings are those that decide what is retried and when, by their names in
	// camel case. None is a secret.
	Settings map[string]any `json:"settings"`
	// Errors are what could not be found out.
	Errors []string `json:"errors,omitempty"`
}

// Accounts gives the accounts of orgs; see [credentials.Store].
type Accounts interface {
	All(ctx context.Context) ([]*credentials.Account, []*credentials.Error)
}

// Table is the part of a [store.Table] that is read.
type Table interface {
	ledger.Lister
	Read(ctx context.Context, keys ...string) ([]store.Record, error)
}

// Reporter makes reports. What does not change while the process lives is in its Base.
type Reporter struct {
	Base     Report
	Accounts Accounts
	Table    Table
}

// askTime bounds how long one credential may take.
const askTime = 10 * time.Second

// Report finds out how things are. It never fails: what can't be found out is in the
// report's errors. It logs in at IMS where no token is at hand, and changes nothing.
func (r *Reporter) Report(ctx context.Context) Report {
	report := r.Base
	report.Pauses, report.Orgs, report.Errors = []throttle.Pause{}, []Org{}, nil
	all, err := throttle.Pauses(ctx, r.Table)
	if err != nil {
		report.Errors = append(report.Errors, "the pauses can't be read: "+err.Error())
	}
	for _, p := range all {
		if p.ResumedAt == nil {
			report.Pauses = append(report.Pauses, p)
		}
	}
	accounts, faults := r.Accounts.All(ctx)
	for _, a := range accounts {
		report.Orgs = append(report.Orgs, ask(ctx, a))
	}
	for _, f := range faults {
		report.add(f)
	}
	pulses, err := ledger.Lists{Table: r.Table}.Orgs(ctx)
	if err != nil {
		report.Errors = append(report.Errors, "the signs of life of the orgs can't be read: "+err.Error())
	}
	for i := range pulses {
		report.alive(&pulses[i])
	}
	slices.SortStableFunc(report.Orgs, func(a, b Org) int { return cmp.Compare(a.OrgID, b.OrgID) })
	return report
}

// ask asks IMS for a token, unless one is at hand.
func ask(ctx context.Context, a *credentials.Account) Org {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	org := Org{OrgID: a.OrgID, Sandbox: a.Sandbox, Credential: Accepted}
	err := a.Client.Authorize(ctx)
	switch {
	case err == nil:
		return org
	case errors.Is(err, flowclient.KindUnauthorized):
		org.Credential = Refused
	default:
		org.Credential = Unavailable
	}
	org.Message = err.Error()
	return org
}

// add takes a secret that can't be used.
func (r *Report) add(fault *credentials.Error) {
	org := Org{OrgID: fault.OrgID(), Credential: Unavailable, Message: fault.Error()}
	if fault.Kind == credentials.Refused {
		org.Credential = Refused
	}
	for i := range r.Orgs {
		if org.OrgID != "" && r.Orgs[i].OrgID == org.OrgID {
			r.Orgs[i].Credential, r.Orgs[i].Message = org.Credential, org.Message
			return
		}
	}
	r.Orgs = append(r.Orgs, org)
}

// alive takes an org's signs of life.
func (r *Report) alive(p *ledger.Pulse) {
	at := slices.IndexFunc(r.Orgs, func(o Org) bool { return o.OrgID == p.OrgID })
	if at < 0 {
		r.Orgs = append(r.Orgs, Org{OrgID: p.OrgID, Credential: Unknown, Message: "no configured secret is of org " + p.OrgID})
		at = len(r.Orgs) - 1
	}
	org := &r.Orgs[at]
	org.Sandbox, org.LastEvent, org.LastSweep = cmp.Or(org.Sandbox, p.Sandbox), p.LastEvent, p.LastSweep
}
