package ledger

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// State is what a run's entry says of it. The words of outcomes are those of
// package retrigger.
type State string

// The states.
const (
	// Unknown is the state of a run that has no entry.
	Unknown State = ""
	// Made means that a re-trigger of ours made the run, and no more is known.
	Made State = "made"
	// Claimed means that the run is being re-triggered, until ClaimUntil. After
	// that time the process that did it is gone, and what it sent is not known.
	Claimed State = "claimed"
	// Held means that what became of an earlier claim is being looked up.
	Held State = "held"
	// Retriggered is final: NewRunID was made.
	Retriggered State = "retriggered"
	// Deferred means that a message on the request queue waits until Due.
	Deferred State = "deferred"
	// Returned means that nothing was sent and a message will come again.
	Returned State = "returned"
	// Skipped and DeadLettered are ends that a person can take up again.
	Skipped      State = "skipped"
	DeadLettered State = "dead_lettered"
)

// Run is the entry of one run. Times have a precision of 1 ms.
type Run struct {
	OrgID, RunID, FlowID, Sandbox string
	// FlowName is the dataflow's name for people, ErrorCode and ErrorText why the run
	// failed, as its source says; each is empty where it is not known.
	FlowName, ErrorCode, ErrorText string
	// Told is the fingerprint of what the run's request was told of it, by an event or by
	// Flow Service. A message that waits is believed if it has the same.
	Told string
	// Root is the lineage's first run, Parent the run whose re-trigger made this
	// one; empty for a root.
	Root, Parent string
	// Attempt is the number of the attempt that made this run; 0 for a root.
	Attempt int
	// Forgiven is that of the lineage when the run was made.
	Forgiven int

	State State
	// Reason says why, where the state has reasons.
	Reason string
	// NewRunID is the run that the re-trigger of this one made.
	NewRunID string
	// Sends counts the re-triggers of this run that may have taken effect: 1, or
	// 2 where the first one's outcome could not be found out.
	Sends int
	// ClaimID and ClaimUntil are the claim.
	ClaimID    string
	ClaimUntil time.Time
	// Due is until when a deferred run waits.
	Due time.Time
	// FirstSeen is when the entry was made, ChangedAt when it was last written.
	FirstSeen, ChangedAt time.Time

	stored string // the rev that the store has, as far as known
}

// Lineage counts the attempts of one lineage.
type Lineage struct {
	OrgID, Root string
	// Attempts are the re-triggers that were sent, or may have been.
	Attempts int
	// Forgiven are those that limits no longer count, since a person forced one
	// more.
	Forgiven int
	// Exhausted means that the breaker has counted the lineage.
	Exhausted bool

	stored string
}

// Flow is what the runs of one dataflow share. It has no entry while no call is
// under way and the breaker counts nothing.
type Flow struct {
	OrgID, FlowID string
	// Sends are the re-triggers whose new run is not recorded: under way, or lost.
	Sends []Send
	// Exhausted counts lineages that were exhausted one after the other, since
	// Since.
	Exhausted int
	Since     time.Time
	// BlockedUntil is when the open breaker lets a lineage through again.
	BlockedUntil time.Time

	stored string
}

// Send is a re-trigger whose new run is not recorded.
type Send struct {
	RunID string    `json:"run"`
	Root  string    `json:"root"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	// Attempt is the lineage's count with this one.
	Attempt int `json:"attempt"`
	// Settled means that nobody looks for what it made any more: another re-trigger
	// of the run was recorded, or the run was given up.
	Settled bool `json:"settled,omitempty"`
}

// MaxClockSkew is how far Adobe's clock and ours may be apart, either way.
const MaxClockSkew = 2 * time.Minute

// Covers reports whether a run that Adobe says was created at the given time may
// be of this re-trigger, which may have taken effect after nobody waited for its
// answer any more, but before another may be sent for the dataflow without its having
// been looked up: what that one makes must not be taken for this one's. A run of an
// unknown time may.
func (s Send) Covers(createdAt time.Time) bool {
	return createdAt.IsZero() || !createdAt.Before(s.At.Add(-MaxClockSkew)) && createdAt.Before(s.Until.Add(LostCallWindow-MaxClockSkew))
}

// LostCallRetention is how long we keep a lost call. If the run that it made fails within
// that time, the failure still finds the call, and with it the lineage.
const LostCallRetention = 7 * 24 * time.Hour

// LostCallWindow is how long a lost call holds up the other re-triggers of its dataflow.
// The request of the lost call comes again within a quarter of an hour, to look it up.
const LostCallWindow = 30 * time.Minute

// maxSends bounds a flow's entry.
const maxSends = 100

func key(kind, orgID, id string) string { return kind + "#" + orgID + "#" + id }

func group(orgID, id string) string { return orgID + "#" + id }

// Open reports whether somebody has the run: it is claimed or held, and the claim
// has not expired.
func (r *Run) Open(now time.Time) bool {
	return (r.State == Claimed || r.State == Held) && now.Before(r.ClaimUntil)
}

func (r *Run) key() string { return key("run", r.OrgID, r.RunID) }

// rev tells the states of an entry apart by what decisions rest on.
func (r *Run) rev() string {
	if r.State == Unknown {
		return ""
	}
	detail := r.Reason
	switch r.State {
	case Claimed, Held:
		detail = r.ClaimID + " " + stamp(r.ClaimUntil)
	case Deferred:
		detail = stamp(r.Due) + " " + r.Told
	case Retriggered:
		detail = r.NewRunID
	}
	return strings.Join([]string{string(r.State), r.Root, strconv.Itoa(r.Attempt), strconv.Itoa(r.Sends), detail}, "/")
}

func (r *Run) record() store.Record {
	return compact(store.Record{
		store.AttributeKey: r.key(), store.AttributeRev: r.rev(), "orgId": r.OrgID, "runId": r.RunID, "flowId": r.FlowID, "sandbox": r.Sandbox,
		"flowName": r.FlowName, "errorCode": r.ErrorCode, "errorText": r.ErrorText, "told": r.Told,
		"root": r.Root, "parent": r.Parent, "attempt": number(r.Attempt), "forgiven": number(r.Forgiven),
		"state": string(r.State), "reason": r.Reason, "newRunId": r.NewRunID, "sends": number(r.Sends),
		"claimId": r.ClaimID, "claimUntil": stamp(r.ClaimUntil), "due": stamp(r.Due), "firstSeen": stamp(r.FirstSeen),
		store.AttributeAt: stamp(r.FirstSeen), store.IndexLineage: group(r.OrgID, r.Root), store.IndexFlow: group(r.OrgID, r.FlowID),
	})
}

func runOf(r store.Record) Run {
	return Run{
		OrgID: r["orgId"], RunID: r["runId"], FlowID: r["flowId"], Sandbox: r["sandbox"], Root: r["root"], Parent: r["parent"],
		FlowName: r["flowName"], ErrorCode: r["errorCode"], ErrorText: r["errorText"], Told: r["told"],
		Attempt: count(r["attempt"]), Forgiven: count(r["forgiven"]), State: State(r["state"]), Reason: r["reason"], NewRunID: r["newRunId"],
		Sends: count(r["sends"]), ClaimID: r["claimId"], ClaimUntil: instant(r["claimUntil"]), Due: instant(r["due"]),
		FirstSeen: instant(r["firstSeen"]), ChangedAt: instant(r["changedAt"]), stored: r[store.AttributeRev],
	}
}

func (l *Lineage) key() string { return key("lineage", l.OrgID, l.Root) }

func (l *Lineage) rev() string {
	if l.Attempts == 0 && l.Forgiven == 0 && !l.Exhausted {
		return ""
	}
	return strings.Join([]string{strconv.Itoa(l.Attempts), strconv.Itoa(l.Forgiven), strconv.FormatBool(l.Exhausted)}, "/")
}

func (l *Lineage) record() store.Record {
	return compact(store.Record{
		store.AttributeKey: l.key(), store.AttributeRev: l.rev(), "orgId": l.OrgID, "root": l.Root,
		"attempts": number(l.Attempts), "forgiven": number(l.Forgiven), "exhausted": strconv.FormatBool(l.Exhausted),
	})
}

func lineageOf(r store.Record) Lineage {
	return Lineage{
		OrgID: r["orgId"], Root: r["root"], Attempts: count(r["attempts"]), Forgiven: count(r["forgiven"]), Exhausted: r["exhausted"] == "true",
		stored: r[store.AttributeRev],
	}
}

func (f *Flow) key() string { return key("flow", f.OrgID, f.FlowID) }

func (f *Flow) empty() bool { return len(f.Sends) == 0 && f.Exhausted == 0 && f.BlockedUntil.IsZero() }

// record is the entry with a rev of its own: a flow's states come again, and
// must not be taken for each other.
func (f *Flow) record(rev string) store.Record {
	sends, _ := json.Marshal(f.Sends) // texts, numbers and times always encode
	return compact(store.Record{
		store.AttributeKey: f.key(), store.AttributeRev: rev, "orgId": f.OrgID, "flowId": f.FlowID, "sends": string(sends),
		"exhausted": number(f.Exhausted), "since": stamp(f.Since), "blockedUntil": stamp(f.BlockedUntil),
	})
}

func flowOf(r store.Record) Flow {
	f := Flow{
		OrgID: r["orgId"], FlowID: r["flowId"], Exhausted: count(r["exhausted"]), Since: instant(r["since"]),
		BlockedUntil: instant(r["blockedUntil"]), stored: r[store.AttributeRev],
	}
	_ = json.Unmarshal([]byte(r["sends"]), &f.Sends) // it is our own
	return f
}

// compact leaves out what is empty: an index takes no empty attribute.
func compact(r store.Record) store.Record {
	maps.DeleteFunc(r, func(_, value string) bool { return value == "" || value == "null" })
	return r
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func count(text string) int {
	n, _ := strconv.Atoi(text) // empty for 0
	return n
}

const stampFormat = "2006-01-02T15:04:05.000Z07:00"

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(stampFormat)
}

func instant(text string) time.Time {
	t, _ := time.Parse(stampFormat, text)
	return t
}
