package handler

import (
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// what is what becomes of a message.
type what string

// What can become of a message.
const (
	// WorkOnIt lets the work on a message begin.
	WorkOnIt what = "work on it"
	// Delete answers SQS that the message is done.
	Delete what = "delete"
	// Return lets SQS deliver the message again.
	Return what = "return"
	// RequeueCopy replaces the message by fresh copies of what is left of it, one for each
	// returned request, with receives and age counted anew. What can't be put on the queue
	// is returned.
	RequeueCopy what = "requeue a copy"
	// RequeueRest does the same for a message of which a part is done. What can't be put on
	// the queue becomes a dead letter, since the message must not come back whole.
	RequeueRest what = "requeue the rest"
	// GiveUp makes dead letters of what is left of the message.
	GiveUp what = "give up"
	// GiveUpWaiting does the same and says what the message waited for.
	GiveUpWaiting what = "give up waiting"
	// GiveUpPoison makes dead letters of a message that crashes the function, before the
	// function works on it once more.
	GiveUpPoison what = "give up poison"
)

const (
	// Rule 22: a message is poison after 50 receives without a write of ours since it was
	// sent: each delivery ends before it records anything. For example, one that uses up the
	// function's memory.
	poisonAfter = 50
	// copyBefore is a bit less than poisonAfter. After so many receives a message that has
	// not waited on our queue before is replaced by a copy, which is known to wait: some
	// waits, for example for a credential, write nothing, and would look like poison.
	copyBefore = 40
	// Rule 22: a message that waits is replaced by a copy after 500 receives. SQS moves a
	// message to the dead-letter queue after 1000.
	copyAfter = 500
	// maxRequeues is how often a message is replaced at most. Lambda ends chains of about
	// 16 messages.
	maxRequeues = 8
	// Rule 21: a message that waited for 13 days is given up, and its dead letter says what
	// it waited for. The queue would delete it a day later.
	maxWait = 13 * 24 * time.Hour
	// Rule 20: the ledger counts faults, and without the ledger receives stand in. A message
	// that fails while the ledger can't be written is received ten times.
	maxReceives = 10
)

// message is what the disposition of a message depends on.
type message struct {
	// Receives is how often SQS has delivered the message, Age is the time since it was
	// sent, and Requeues is how often the function has put its request on the queue.
	Receives, Requeues int
	Age                time.Duration

	// Unworked means that this delivery's work has not begun. Only Receives, Requests,
	// HasWaited and Wrote are known then.
	Unworked bool
	// Requests means that there are requests in the message.
	Requests bool
	// Wrote means that the ledger has a write for one of its runs since it was sent.
	Wrote bool

	// Sweep means that the message is a sweep that is to go on.
	Sweep bool
	// Failed means that the message is a pause, a resume or a sweep that could not be done.
	Failed bool
	// Done and Returned count the message's parts. NoRequest counts those of Returned that
	// can't be sent by themselves: input that is too large for a dead letter, and successes
	// that could not be written.
	Done, Returned, NoRequest int
	// Faulty means that a returned part does not only wait.
	Faulty bool
	// NoLedger means that a part was returned since the ledger can't be reached. Its faults
	// are not counted there, and receives stand in for them.
	NoLedger bool
	// HasWaited means that the message has a due time, or is a copy of one that waited.
	HasWaited bool
	// ForCredential means that the returned requests wait for a credential that a person
	// must mend, ForPause that they wait for the end of a pause.
	ForCredential, ForPause bool
}

func (m *message) old() bool         { return m.Age > maxWait }
func (m *message) mayRequeue() bool  { return m.Requeues < maxRequeues }
func (m *message) wornOut() bool     { return m.Receives >= copyAfter || m.old() }
func (m *message) outOfFaults() bool { return m.NoLedger && m.Receives >= maxReceives }

// row is one row of the table: what becomes of a message that is as Is says.
type row struct {
	Name string
	Is   func(m *message) bool
	Then what
}

// table says what becomes of a message. The first row that fits decides, and the last one
// fits always.
var table = []row{
	// Before the work.
	{"poison", func(m *message) bool {
		return m.Unworked && m.Receives > poisonAfter && m.Requests && !m.HasWaited && !m.Wrote
	}, GiveUpPoison},
	{"before the work", func(m *message) bool { return m.Unworked }, WorkOnIt},

	// Sweeps, pauses and resumes.
	{"a sweep that was received too often, or is old", func(m *message) bool { return m.Sweep && m.wornOut() && m.mayRequeue() }, RequeueCopy},
	{"such a sweep that was replaced too often", func(m *message) bool { return m.Sweep && m.wornOut() }, GiveUp},
	{"a sweep that goes on, or a command that failed", func(m *message) bool { return m.Sweep || m.Failed }, Return},

	// Messages of requests and events.
	{"all is done", func(m *message) bool { return m.Returned == 0 }, Delete},
	{"a part is done and must not be done again", func(m *message) bool { return m.Done > 0 }, RequeueRest},
	{"a part is no request and fits into no dead letter", func(m *message) bool { return m.NoRequest > 0 }, Return},
	{"13 days of waiting for a credential", func(m *message) bool { return m.old() && m.ForCredential && m.mayRequeue() }, RequeueCopy},
	{"13 days of waiting", func(m *message) bool { return m.old() && !m.Faulty }, GiveUpWaiting},
	{"no ledger, and most receives were for waiting", func(m *message) bool { return m.outOfFaults() && m.HasWaited && m.mayRequeue() }, RequeueCopy},
	{"no ledger, and received too often", func(m *message) bool { return m.outOfFaults() }, GiveUp},
	{"a fault, which the ledger counts", func(m *message) bool { return m.Faulty }, Return},
	{"waiting that could be taken for poison", func(m *message) bool { return !m.HasWaited && m.Receives >= copyBefore }, RequeueCopy},
	{"a pause, of which no end is known", func(m *message) bool { return m.ForPause }, Return},
	{"waiting that has used up its receives", func(m *message) bool { return m.Receives >= copyAfter && m.mayRequeue() }, RequeueCopy},
	{"waiting", func(*message) bool { return true }, Return},
}

// rowOf is the first row that fits.
func rowOf(m message) *row {
	for i := range table {
		if table[i].Is(&m) {
			return &table[i]
		}
	}
	return &table[len(table)-1]
}

// disposition says what becomes of a message. It is pure.
func disposition(m message) what { return rowOf(m).Then }

// message is what the delivery's disposition depends on when its work is done.
func (d *delivery) message(receives int, sentAt time.Time) message {
	m := message{
		Receives: receives, Requeues: d.requeues(), Sweep: d.sweep != nil && d.sweepResult.Again, Failed: d.fault != nil,
		Requests: d.hasRequests(), HasWaited: d.hasWaited(),
	}
	if d.sweep != nil {
		m.Requeues = d.sweep.Requeues
	}
	if !sentAt.IsZero() {
		m.Age = time.Since(sentAt)
	}
	for i, r := range d.results {
		if r.Outcome != retry.Returned {
			m.Done++
			continue
		}
		m.Returned++
		if d.items[i].Request == nil {
			m.NoRequest++
		}
		m.Faulty = m.Faulty || !r.Waits()
		m.NoLedger = m.NoLedger || r.Reason == retry.LedgerUnavailable
	}
	first := d.results.firstReturned()
	m.ForCredential = first.Reason == retry.CredentialsRefused || first.Reason == retry.CredentialsUnavailable
	m.ForPause = first.Reason == retry.Paused && !first.Released
	return m
}

// unworked is what the delivery's disposition depends on before its work begins.
func (d *delivery) unworked(receives int, sentAt time.Time, read *retry.Batch) message {
	return message{Unworked: true, Receives: receives, Requests: d.hasRequests(), HasWaited: d.hasWaited(), Wrote: d.wrote(read, sentAt)}
}

func (d *delivery) hasRequests() bool {
	return slices.ContainsFunc(d.items, func(item event.Item) bool { return item.Request != nil })
}

// hasWaited reports whether the function has put the message on the queue, or made it
// wait there.
func (d *delivery) hasWaited() bool {
	return d.requeues() > 0 || slices.ContainsFunc(d.items, func(item event.Item) bool { return item.Request != nil && !item.Request.Due.IsZero() })
}

// wrote reports whether the ledger has a write for one of the delivery's runs since its
// message was sent.
func (d *delivery) wrote(read *retry.Batch, sentAt time.Time) bool {
	return !sentAt.IsZero() && slices.ContainsFunc(d.items, func(item event.Item) bool {
		return item.Request != nil && read.ChangedAt(*item.Request).After(sentAt)
	})
}
