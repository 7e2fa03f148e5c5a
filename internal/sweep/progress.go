package sweep

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

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

	// Parts are what is swept, an org each.
	Parts []part `json:"parts"`
	// Lease is until when an invocation works on the sweep, Unended counts those in a
	// row that have not given it back.
	Lease   time.Time `json:"lease"`
	Unended int       `json:"unended,omitempty"`

	Report Report `json:"report"`
}

// part is what is swept of one org: its sandboxes, one after the other. Each org has a
// part of its own so that one that must wait keeps no other waiting.
type part struct {
	OrgID     string   `json:"orgId,omitempty"`
	Sandboxes []string `json:"sandboxes,omitempty"`
	// Secrets marks the part that stands for secrets which can't be read: of what org
	// they are is not known.
	Secrets bool `json:"secrets,omitempty"`
	// Current is the sandbox that is being listed.
	Current int `json:"current"`
	// Wait is until when there is nothing to do for it.
	Wait time.Time `json:"wait"`

	// Token continues the listing; empty at its beginning.
	Token string `json:"token,omitempty"`
	// From is where the listing began: at the sweep's beginning, or at the last time
	// seen when a token had gone stale. Last is when the newest run seen so far was
	// created, and LastIDs are the runs created just then.
	From    time.Time `json:"from"`
	Last    time.Time `json:"last"`
	LastIDs []string  `json:"lastIds,omitempty"`
	// Stale counts the restarts in a row that have got the sweep nowhere, Requested
	// are the runs that it has requested since the last one.
	Stale     int `json:"stale,omitempty"`
	Requested int `json:"requested,omitempty"`
	// PageSize is the size of the next page where large answers have made it smaller, and
	// MaxPage the greatest size where failures have, or a token that was refused; 0 is the
	// usual. Listed is the size of the last page that was listed.
	PageSize int `json:"pageSize,omitempty"`
	MaxPage  int `json:"maxPage,omitempty"`
	Listed   int `json:"listed,omitempty"`
	// ByStart means that Flow Service refused to list runs by their last change.
	ByStart bool `json:"byStart,omitempty"`
	// Unordered means that the runs have not come in the order of their creation.
	Unordered bool `json:"unordered,omitempty"`
	// Failures counts those in a row.
	Failures int `json:"failures,omitempty"`
	// TooLarge are runs that are above the limit of an answer: the listing leaves them out.
	TooLarge []string `json:"tooLarge,omitempty"`
}

func (c *part) done() bool { return c.Current >= len(c.Sandboxes) && !c.Secrets }

// target is the sandbox that is being listed; neither org nor sandbox for secrets.
func (c *part) target() Target {
	if c.Secrets {
		return Target{}
	}
	return Target{OrgID: c.OrgID, Sandbox: c.Sandboxes[c.Current]}
}

// maxPage is the greatest size of a page.
func (c *part) maxPage() int { return cmp.Or(c.MaxPage, flowclient.DefaultPageSize) }

// nextSandbox goes on with the next sandbox.
func (c *part) nextSandbox(since time.Time) {
	*c = part{OrgID: c.OrgID, Sandboxes: c.Sandboxes, Current: c.Current + 1, From: since}
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
func (p *progress) position() [3]int {
	at := [3]int{p.Report.Pages, p.Report.Restarts}
	for i := range p.Parts {
		at[1] += len(p.Parts[i].TooLarge)
		at[2] += p.Parts[i].Current
	}
	return at
}

// progressTTL is how long the table keeps a sweep's progress after its last change.
const progressTTL = 15 * 24 * time.Hour

func (w *work) key() string { return "sweep#" + w.req.ID }

// load reads the progress, and reports whether there is any.
func (w *work) load() (bool, error) {
	found, err := w.store.Read(w.ctx, w.key())
	if err != nil || len(found) == 0 {
		return false, err
	}
	return true, w.read(found[0])
}

func (w *work) read(record store.Record) error {
	w.p = progress{}
	if err := json.Unmarshal([]byte(record["progress"]), &w.p); err != nil {
		return fmt.Errorf("the progress of the sweep can't be read: %w", err)
	}
	w.rev = record[store.AttributeRev]
	return nil
}

// save writes the progress. A dry run has none.
func (w *work) save() error {
	if w.req.DryRun {
		return nil
	}
	text, err := json.Marshal(w.p)
	if err != nil {
		return err
	}
	record := store.Record{
		store.AttributeKey: w.key(), store.AttributeRev: rand.Text(), "progress": string(text),
		store.AttributeTTL: strconv.FormatInt(w.Now().Add(progressTTL).Unix(), 10),
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), saveTime) // also when the time for the work is over
	defer cancel()
	err = w.store.Commit(ctx, store.Write{Key: w.key(), Old: w.rev, New: record})
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		if current := conflict.Current[w.key()]; current != nil {
			if err := w.read(current); err != nil {
				return err
			}
		}
		return errElsewhere
	}
	if err == nil {
		w.rev = record[store.AttributeRev]
	}
	return err
}

// errElsewhere means that another invocation works on the sweep.
var errElsewhere = errors.New("another invocation works on this sweep")

// saveTime bounds the writing of the progress.
const saveTime = closingTime/2 - time.Second

// acquireLease begins the work on the sweep, unless another invocation works on it.
func (w *work) acquireLease() error {
	if w.Now().Before(w.p.Lease) {
		return errElsewhere
	}
	if w.p.Unended++; w.p.Lease.IsZero() {
		w.p.Unended = 0
	}
	if w.p.Unended >= maxUnended {
		return refuse("%d invocations in a row have begun to work on it and none came to an end: it may kill the function", w.p.Unended)
	}
	w.p.Lease = w.Now().Add(time.Minute)
	if deadline, ok := w.ctx.Deadline(); ok {
		w.p.Lease = deadline.Add(closingTime / 2)
	}
	return w.save()
}

// maxUnended is how many invocations in a row may end without a trace.
const maxUnended = 10

// releaseLease ends the work on the sweep, so that the next invocation need not wait.
func (w *work) releaseLease() error {
	w.p.Lease = time.Time{}
	return w.save()
}
