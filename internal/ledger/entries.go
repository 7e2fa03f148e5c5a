package ledger

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

// Schema is the number of the entries' form. A function that meets an entry with a greater
// number writes nothing: see [NewerError].
const Schema = 1

// Times of a call whose answer was lost.
const (
	// MaxClockSkew is how far Adobe's clock and ours may be apart.
	MaxClockSkew = 2 * time.Minute
	// LostCallWindow is how long after the end of its lease a call may still take effect,
	// and the run that it made may still be missing in Flow Service's listing.
	LostCallWindow = 30 * time.Minute
	// LostCallRetention is how long a dataflow's entry keeps a call whose search found
	// nothing. A run that such a call made may fail within this time, and it is then
	// linked to the call's run.
	LostCallRetention = 7 * 24 * time.Hour
	// MaxKeptCalls is how many such calls an entry keeps.
	MaxKeptCalls = 20
)

// Call is one re-trigger of a run, as it was claimed. Times have a precision of 1 ms.
type Call struct {
	// ID is the claim's, made anew for each claim.
	ID string `json:"id"`
	// RunID is the run that was re-triggered.
	RunID string `json:"run"`
	// ClientID is the credential that sent the call, Sandbox the sandbox that it named.
	ClientID string `json:"client,omitempty"`
	Sandbox  string `json:"sandbox,omitempty"`
	// At is when the call was claimed, Until when its lease ends. Nothing is sent under
	// the claim after Until.
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	// Window is the data window of the run that was re-triggered, as it was known at the
	// claim; zero where it was not.
	Window aeptime.Window `json:"window,omitzero"`
}

// InFlight reports whether the call may still be sent: its lease has not ended.
func (c *Call) InFlight(now time.Time) bool { return now.Before(c.Until) }

// MayHaveMade reports whether the call may have made a run with this id, of this client,
// which Adobe says was created at the given time. Rule 11: that is from [MaxClockSkew]
// before the claim until [LostCallWindow] and [MaxClockSkew] after the end of its lease. A run of unknown time may be of any
// call of its client. For example, a call that was claimed at 12:00 with a lease until
// 12:01 may have made a run that was created between 11:58 and 12:33.
//
// A different data window rules no run out: an event need not have a window, and no source
// says that Adobe shows the run of a re-trigger with the window of the run that it repeats.
// A comparison that says no by mistake would send the run twice. See [Maker].
func (c *Call) MayHaveMade(runID, clientID string, createdAt time.Time) bool {
	if runID == c.RunID || clientID != c.ClientID {
		return false
	}
	return createdAt.IsZero() || !createdAt.Before(c.At.Add(-MaxClockSkew)) && createdAt.Before(c.Until.Add(LostCallWindow+MaxClockSkew))
}

// Run is the entry of one run. Rule 2: it has all that is known of the run's lineage.
type Run struct {
	OrgID, RunID, FlowID, Sandbox string
	// FlowName is the dataflow's name for people, ErrorCode and ErrorText say why the run
	// failed. Each is empty where it is not known.
	FlowName, ErrorCode, ErrorText string
	// Fingerprint is that of what the run's request was told of it, by an event or by
	// Flow Service. A message that waits is believed if it has the same.
	Fingerprint string
	// Window is the run's data window, which all runs of a lineage share; zero where it is
	// not known.
	Window aeptime.Window

	State State
	// Reason says why, where the state has reasons.
	Reason string

	// Root is the first run of the lineage, Parent the run whose re-trigger made this
	// one, and Successor the run that a re-trigger of this one made.
	Root, Parent, Successor string
	// Attempt counts the re-triggers that were sent for the lineage before this run was
	// made: 0 for a root. Sends counts those of this run that took effect or may have.
	Attempt, Sends int
	// Forgiven are those of the lineage's re-triggers that limits do not count, since a
	// person forced one more.
	Forgiven int
	// Call is the call of the run that is in flight or was in flight last. Lost is the
	// call that a search found nothing for, and Settled the state that settling it led to:
	// [Searched] or [CannotTell].
	Call, Lost Call
	Settled    State

	// Due is until when a deferred run waits.
	Due time.Time
	// Before is the state before a reservation, and before a run was deferred or given up.
	// Earlier is what Before was when the run was reserved.
	Before, Earlier State
	// ReservedBy and ReservedUntil are the reservation.
	ReservedBy    string
	ReservedUntil time.Time
	// Faults counts failed deliveries, LastFault names the last one, at FaultAt.
	Faults    int
	LastFault string
	FaultAt   time.Time
	// Superseded means that the run's parent has another successor, with which the lineage
	// goes on, and that no person has asked for this run since.
	Superseded bool
	// SupersededBy is the run with which somebody has retried this one by hand, so that it
	// was skipped; empty for none.
	SupersededBy string
	// Counted means that the dataflow's breaker has counted this run.
	Counted bool
	// FirstSeen is when the failure was first seen, ChangedAt when the entry was last
	// written.
	FirstSeen, ChangedAt time.Time
	// Decisions are the newest 12 decisions on the run, the oldest first, for people.
	Decisions []Decision

	version    string // of the entry as it was read; empty for none
	schema     int
	unreadable string // an attribute that can't be read
	undecoded  string // the attribute of Decisions where these were not decoded; see Snapshot.RunsInBrief
}

// Used counts the re-triggers that were sent for the run's lineage so far, or may have been.
func (r *Run) Used() int { return r.Attempt + r.Sends }

// Unclear reports whether nobody can tell what a lost call of the run has made, whatever
// became of the run since. Rule 15: such a run is not sent again, unless by force.
func (r *Run) Unclear() bool { return r.Sends > 0 && r.Settled == CannotTell }

// StateAt is the run's state at a time. Rule 8: a call in flight is unconfirmed when its
// lease has ended. Rule 18: a reservation that has ended counts no more.
func (r *Run) StateAt(now time.Time) State {
	switch {
	case r.State == InFlight && !r.Call.InFlight(now):
		return Unconfirmed
	case r.State == Reserved && !now.Before(r.ReservedUntil):
		return r.Before
	}
	return r.State
}

// CutMark stands for kept calls that were dropped for want of room.
type CutMark struct {
	ClientIDs []string  `json:"clients"`
	Until     time.Time `json:"until"` // a run that was created later was not made by them
}

// Covers reports whether a dropped call may have made a run of this client, which was
// created at the given time.
func (m *CutMark) Covers(clientID string, createdAt time.Time) bool {
	return m != nil && slices.Contains(m.ClientIDs, clientID) && (createdAt.IsZero() || createdAt.Before(m.Until))
}

// Flow is the entry of one dataflow: what its runs share. Rule 3: it has the one slot.
type Flow struct {
	OrgID, FlowID string
	// Slot is the one call of the dataflow that is in flight or unconfirmed; nil for none.
	Slot *Call
	// Kept are calls whose search found nothing, the oldest first. Cut stands for those
	// that were dropped; nil for none.
	Kept []Call
	Cut  *CutMark
	// Exhausted counts lineages that used up their attempts, one after the other since
	// Since. BlockedUntil is when the open breaker lets a run through again.
	Exhausted    int
	Since        time.Time
	BlockedUntil time.Time
	// Window is when the budget's window began in which Sent re-triggers were claimed.
	Window time.Time
	Sent   int
	// Episodes are the failing episodes of which something is yet to be told, and the one
	// that lasts, which is the last. Listed means that something is yet to be told, so that
	// the entry is on the list of [Episodes.Untold].
	Episodes []Episode
	Listed   bool

	version    string
	schema     int
	unreadable string
}

// Fits returns the kept calls of other runs that may have made the run, and whether a
// dropped call may have. Rule 17: a failed run without parent and calls of its own is held
// against them.
func (f *Flow) Fits(runID, clientID string, createdAt time.Time) (calls []Call, cut bool) {
	for _, c := range f.Kept {
		if c.MayHaveMade(runID, clientID, createdAt) {
			calls = append(calls, c)
		}
	}
	return calls, f.Cut.Covers(clientID, createdAt)
}

// Maker returns the call that has made a run of the data window, out of calls each of which
// may have; false where nobody can tell. Rules 11, 12 and 17: it can be told if all are calls
// of one run. It can be told, too, if one run alone has the same window, and the windows of
// the other runs are known.
//
// So an equal window is evidence, and a different one is none: a call that is alone made the
// run, whatever its window. For example, of the lost calls of two runs, for the windows from
// 5 to 6 and from 6 to 7 o'clock, the first has made a run from 5 to 6. Of a run from 7 to 8,
// nobody can tell.
func Maker(calls []Call, window aeptime.Window) (Call, bool) {
	if len(calls) == 0 {
		return Call{}, false
	}
	same := slices.IndexFunc(calls, func(c Call) bool { return c.Window.Same(window) })
	maker := calls[max(same, 0)]
	another := slices.ContainsFunc(calls, func(c Call) bool {
		return c.RunID != maker.RunID && (same < 0 || c.Window.IsZero() || c.Window.Same(window))
	})
	return maker, !another
}

func key(kind, orgID, id string) string { return kind + "#" + orgID + "#" + id }

func group(orgID, id string) string { return orgID + "#" + id }

// RunKey is the key of a run's entry in the store.
func RunKey(orgID, runID string) string { return key("run", orgID, runID) }

// FlowKey is the key of a dataflow's entry in the store.
func FlowKey(orgID, flowID string) string { return key("flow", orgID, flowID) }

// NewRun returns the entry of a run of which nothing is known.
func NewRun(orgID, flowID, sandbox, runID string) Run {
	return Run{OrgID: orgID, FlowID: flowID, Sandbox: sandbox, RunID: runID, Root: runID}
}

// openList is the list of an org's runs that we made and that have no end, waitingList that
// of the runs that wait or are being worked on, and deadList that of its dead letters.
func openList(orgID string) string { return "open#" + orgID }

func waitingList(orgID string) string { return "waiting#" + orgID }

func deadList(orgID string) string { return "dead#" + orgID }

// listed is the list that the run's entry is on; empty for none.
func (r *Run) listed() string {
	switch r.State {
	case Made:
		return openList(r.OrgID)
	case Deferred, Returned, InFlight, Reserved, Searched, CannotTell:
		return waitingList(r.OrgID)
	case DeadLettered:
		return deadList(r.OrgID)
	}
	return ""
}

func (r *Run) record() store.Record {
	return compact(store.Record{
		"orgId": r.OrgID, "runId": r.RunID, "flowId": r.FlowID, "sandbox": r.Sandbox,
		"flowName": r.FlowName, "errorCode": r.ErrorCode, "errorText": r.ErrorText, "fingerprint": r.Fingerprint,
		"windowStart": stamp(r.Window.Start), "windowEnd": stamp(r.Window.End),
		"state": string(r.State), "reason": r.Reason, "root": r.Root, "parent": r.Parent, "newRunId": r.Successor,
		"attempt": number(r.Attempt), "sends": number(r.Sends), "forgiven": number(r.Forgiven), "call": callText(r.Call), "lost": callText(r.Lost), "settled": string(r.Settled),
		"due": stamp(r.Due), "before": string(r.Before), "earlier": string(r.Earlier), "reservedBy": r.ReservedBy, "reservedUntil": stamp(r.ReservedUntil),
		"faults": number(r.Faults), "lastFault": r.LastFault, "faultAt": stamp(r.FaultAt), "counted": flag(r.Counted), "superseded": flag(r.Superseded), "supersededBy": r.SupersededBy, "firstSeen": stamp(r.FirstSeen),
		"decisions":       r.decisionsText(),
		store.AttributeAt: stamp(r.FirstSeen), store.IndexLineage: group(r.OrgID, r.Root), store.IndexFlow: group(r.OrgID, r.FlowID), store.IndexList: r.listed(),
	})
}

func runOf(r store.Record) Run {
	run := inBrief(r)
	run.readDecisions()
	return run
}

// inBrief is the entry whose decisions are not decoded yet.
func inBrief(r store.Record) Run {
	f := fields{Record: r}
	run := Run{
		OrgID: r["orgId"], RunID: r["runId"], FlowID: r["flowId"], Sandbox: r["sandbox"],
		FlowName: r["flowName"], ErrorCode: r["errorCode"], ErrorText: r["errorText"], Fingerprint: r["fingerprint"],
		Window: aeptime.Window{Start: f.instant("windowStart"), End: f.instant("windowEnd")},
		State:  State(r["state"]), Reason: r["reason"], Root: r["root"], Parent: r["parent"], Successor: r["newRunId"],
		Attempt: f.count("attempt"), Sends: f.count("sends"), Forgiven: f.count("forgiven"), Settled: State(r["settled"]),
		Due: f.instant("due"), Before: State(r["before"]), Earlier: State(r["earlier"]), ReservedBy: r["reservedBy"], ReservedUntil: f.instant("reservedUntil"),
		Faults: f.count("faults"), LastFault: r["lastFault"], FaultAt: f.instant("faultAt"), Counted: r["counted"] != "", Superseded: r["superseded"] != "", SupersededBy: r["supersededBy"],
		FirstSeen: f.instant("firstSeen"), ChangedAt: f.instant("changedAt"), version: r[store.AttributeRev], schema: f.count("schema"),
	}
	run.Call, run.Lost = decode[Call](&f, "call"), decode[Call](&f, "lost")
	run.undecoded = r["decisions"]
	run.unreadable = f.unreadable
	return run
}

func (f *Flow) record() store.Record {
	list, at := f.onList()
	return compact(store.Record{
		"episodes": text(f.Episodes), store.IndexList: list, store.AttributeAt: stamp(at),
		"orgId": f.OrgID, "flowId": f.FlowID, "slot": text(f.Slot), "kept": text(f.Kept), "cut": text(f.Cut),
		"exhausted": number(f.Exhausted), "since": stamp(f.Since), "blockedUntil": stamp(f.BlockedUntil), "window": stamp(f.Window), "sent": number(f.Sent),
	})
}

func flowOf(r store.Record) Flow {
	f := fields{Record: r}
	flow := Flow{
		OrgID: r["orgId"], FlowID: r["flowId"], Exhausted: f.count("exhausted"), Since: f.instant("since"), BlockedUntil: f.instant("blockedUntil"),
		Window: f.instant("window"), Sent: f.count("sent"), Listed: r[store.IndexList] == untoldList(r["orgId"]), version: r[store.AttributeRev], schema: f.count("schema"),
	}
	flow.Episodes, flow.Slot = decode[[]Episode](&f, "episodes"), decode[*Call](&f, "slot")
	flow.Kept, flow.Cut = decode[[]Call](&f, "kept"), decode[*CutMark](&f, "cut")
	flow.unreadable = f.unreadable
	return flow
}

// fields decodes the attributes of a record. One that can't be read has its zero value, and
// the entry that it belongs to is not written: an unreadable slot is not an empty one.
type fields struct {
	store.Record

	// unreadable is the name of the last such attribute; empty for none.
	unreadable string
}

// read reads an attribute by parse, unless it is missing, as those that are empty are.
func (f *fields) read(name string, parse func(string) error) {
	if value := f.Record[name]; value != "" && parse(value) != nil {
		f.unreadable = name
	}
}

func (f *fields) count(name string) (n int) {
	f.read(name, func(value string) (err error) { n, err = strconv.Atoi(value); return err })
	return n
}

func (f *fields) instant(name string) (t time.Time) {
	f.read(name, func(value string) (err error) { t, err = time.Parse(stampFormat, value); return err })
	return t
}

// decode decodes an attribute of JSON. Most entries have none: a sweep reads a million of them,
// and for those nothing is allocated.
func decode[T any](f *fields, name string) (decoded T) {
	if f.Record[name] == "" {
		return decoded
	}
	into := new(T)
	f.read(name, func(value string) error { return json.Unmarshal([]byte(value), into) })
	return *into
}

// text is a value as JSON; empty for an empty one.
func text(value any) string {
	encoded, _ := json.Marshal(value) // texts, numbers and times always encode
	if s := string(encoded); s != "null" && s != "[]" {
		return s
	}
	return ""
}

func callText(c Call) string {
	if c == (Call{}) {
		return ""
	}
	return text(c)
}

// compact leaves out what is empty: an index takes no empty attribute.
func compact(r store.Record) store.Record {
	maps.DeleteFunc(r, func(_, value string) bool { return value == "" })
	return r
}

func flag(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

const stampFormat = "2006-01-02T15:04:05.000Z07:00"

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(stampFormat)
}
