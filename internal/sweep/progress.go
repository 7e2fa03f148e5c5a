package sweep

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// progress is how far a sweep has come. It is bounded: a few counts for each of at
// most [maxFlows] dataflows, and the ids of one page at most.
type progress struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Begun time.Time `json:"begun"`
	Flows []string  `json:"flows,omitempty"`
	Codes []string  `json:"codes,omitempty"`
	Limit int       `json:"limit"`

	// Targets are what is swept, Current the one that is being listed.
	Targets []Target `json:"targets"`
	Current int      `json:"current"`
	// Token continues the listing; empty at its beginning.
	Token string `json:"token,omitempty"`
	// From is where the listing began: at Since, or at the last time seen when a
	// token had gone stale. Last is when the newest run seen so far was created, and
	// LastIDs are the runs created just then.
	From    time.Time `json:"from"`
	Last    time.Time `json:"last"`
	LastIDs []string  `json:"lastIds,omitempty"`
	// Stale counts the restarts that began where the one before did.
	Stale int `json:"stale,omitempty"`
	// ByStart means that Flow Service refused to list runs by their last change.
	ByStart bool `json:"byStart,omitempty"`
	// Ordered means that the runs have come in the order of their creation so far.
	Ordered bool `json:"ordered"`
	// Failures counts those in a row.
	Failures int `json:"failures,omitempty"`
	// Lease is until when an invocation works on the sweep.
	Lease time.Time `json:"lease"`

	Report Report `json:"report"`
}

// done reports whether nothing is left.
func (p *progress) done() bool { return p.Current >= len(p.Targets) && !p.Begun.IsZero() }

// place tells whether an invocation has got anywhere.
func (p *progress) place() [3]int { return [3]int{p.Current, p.Report.Pages, p.Report.Restarts} }

// following goes on with the next target.
func (p *progress) following() {
	p.Current++
	p.Token, p.From, p.Last, p.LastIDs, p.Stale, p.Ordered, p.Failures = "", p.Since, time.Time{}, nil, 0, true, 0
}

// keep is how long a sweep is remembered after its last change.
const keep = 15 * 24 * time.Hour

func (w *work) key() string { return "sweep#" + w.req.ID }

// load reads the progress, and reports whether there is any.
func (w *work) load() (bool, error) {
	found, err := w.store.Read(w.ctx, w.key())
	if err != nil || len(found) == 0 {
		return false, err
	}
	return true, w.read(found[0])
}

func (w *work) read(record ledger.Record) error {
	w.p = progress{}
	if err := json.Unmarshal([]byte(record["progress"]), &w.p); err != nil {
		return fmt.Errorf("the progress of the sweep can't be read: %w", err)
	}
	w.rev = record[ledger.AttributeRev]
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
	record := ledger.Record{
		ledger.AttributeKey: w.key(), ledger.AttributeRev: rand.Text(), "progress": string(text),
		ledger.AttributeTTL: strconv.FormatInt(w.Now().Add(keep).Unix(), 10),
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), saveTime) // also when the time for the work is over
	defer cancel()
	err = w.store.Commit(ctx, ledger.Write{Key: w.key(), Old: w.rev, New: record})
	if conflict, ok := errors.AsType[*ledger.ConflictError](err); ok {
		if current := conflict.Current[w.key()]; current != nil {
			if err := w.read(current); err != nil {
				return err
			}
		}
		return errElsewhere
	}
	if err == nil {
		w.rev = record[ledger.AttributeRev]
	}
	return err
}

// errElsewhere means that another invocation works on the sweep.
var errElsewhere = errors.New("another invocation works on this sweep")

// saveTime bounds the writing of the progress.
const saveTime = settleTime/2 - time.Second

// enter begins to work on the sweep, unless somebody does.
func (w *work) enter() error {
	if w.Now().Before(w.p.Lease) {
		return errElsewhere
	}
	w.p.Lease = w.Now().Add(time.Minute)
	if deadline, ok := w.ctx.Deadline(); ok {
		w.p.Lease = deadline.Add(settleTime / 2)
	}
	return w.save()
}

// leave ends the work on the sweep, so that the next invocation need not wait.
func (w *work) leave() error {
	w.p.Lease = time.Time{}
	return w.save()
}
