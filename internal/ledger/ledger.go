// Package ledger is the function's memory: which runs were re-triggered, which run each
// re-trigger made, and how many re-triggers a lineage has had. It bounds the loop that a
// re-trigger and the failure of the run that it made would otherwise be, and it tells a
// duplicate from a run that is yet to be retried.
//
// There are two kinds of entries: of a run ([Run]) and of a dataflow ([Flow]). Rule 2: a
// lineage has no entry. It is a chain of runs: each knows its parent, its successor and how
// many re-triggers came before it.
//
// Rule 3: a dataflow has one slot for a call. [Ledger.Claim] fills it before the call is
// sent, and [Ledger.Confirm], [Ledger.Release], [Ledger.Link] or [Ledger.Settle] empties it.
// Rule 8: nothing else does, no age and no time to live. So two calls of one dataflow are
// never under way at once, and a run that is found can be told to be of the one call that
// got no answer.
//
// Rule 1: each write is one transaction, on condition that every entry that its decision
// read is unchanged. The error is a [*store.ConflictError] if one is not: the caller then
// looks and decides again.
//
// The rules have the numbers of docs/how-it-works.md. docs/states.md has the states of a
// run.
package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// DefaultTTL is how long an entry is kept after its last change. It is longer than a
// message can live on the request queue and then on the dead-letter queue (14 days each),
// and than the age at which runs are no longer retried.
const DefaultTTL = 35 * 24 * time.Hour

// Ledger reads and writes entries. It is safe for concurrent use.
type Ledger struct {
	Reader

	writes Committer
	ttl    time.Duration
	now    func() time.Time
	// faultInterval is within how long of the last one a fault is not counted.
	faultInterval time.Duration
	tells         bool // news of episodes is kept until it is told
}

// New returns the Ledger in a table. An option is [KeepNews].
func New(table store.Table, ttl time.Duration, now func() time.Time, options ...func(*Ledger)) *Ledger {
	l := &Ledger{Reader: Reader{table: table}, writes: table, ttl: ttl, now: now, faultInterval: DefaultFaultInterval}
	for _, set := range options {
		set(l)
	}
	return l
}

// WithFaultInterval returns the ledger with another interval than [DefaultFaultInterval].
func (l *Ledger) WithFaultInterval(d time.Duration) *Ledger {
	next := *l
	next.faultInterval = d
	return &next
}

// NewerError means that nothing was written, since a newer version of the function has
// written the entry.
type NewerError struct {
	Key    string
	Schema int
}

// Error names the entry.
func (e *NewerError) Error() string {
	return fmt.Sprintf("the ledger's entry %s has schema %d, newer than this function's %d: deploy the newer version again", e.Key, e.Schema, Schema)
}

// ErrSlotLost means that the claim is no longer in the slot of its dataflow: its lease had
// ended, and another delivery has found out what became of its call.
var ErrSlotLost = errors.New("the claim's lease has ended, and another delivery has closed it")

// Errors of a caller.
var (
	errNoClaim   = errors.New("there is no claim: it is not from the ledger")
	errNoFlow    = errors.New("its dataflow is not known, so that there is no slot for a call")
	errUnclear   = errors.New("nobody can tell what an earlier call of it has made, and only a person can send it with force")
	errReplaced  = errors.New("it is superseded: another run of its parent is being retried, and only a person can send this one")
	errSentTwice = errors.New("it was sent twice without a clear answer, and only a person can send it once more")
	errNotInSlot = errors.New("the slot of the dataflow has no call of the run")
	errOtherCall = errors.New("another call of the run is in the slot of the dataflow")
)

// Entries are what a decision about a run reads. Take them from a [Snapshot].
type Entries struct {
	Run  Run
	Flow Flow

	because Decision // why the next operation is done
}

func (e Entries) ref() Ref {
	return Ref{OrgID: e.Run.OrgID, FlowID: e.Flow.FlowID, Sandbox: e.Run.Sandbox, RunID: e.Run.RunID}
}

// Describe puts into the run's entry what people want to know of it. It is written with
// the next operation.
func (e *Entries) Describe(flowName, errorCode, errorText, fingerprint string) {
	set := func(field *string, value string) {
		if value != "" {
			*field = value
		}
	}
	set(&e.Run.FlowName, flowName)
	set(&e.Run.Fingerprint, fingerprint)
	if errorCode != "" || errorText != "" {
		e.Run.ErrorCode, e.Run.ErrorText = errorCode, errorText
	}
}

// time is the present as entries keep it.
//
// Rule 25: there is one clock, read without its monotonic part, which stands still while
// Lambda freezes the environment.
func (l *Ledger) time() time.Time { return milli(l.now()) }

func milli(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Round(0).UTC().Truncate(time.Millisecond)
}
