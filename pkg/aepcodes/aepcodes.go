// Package aepcodes is the catalog of the codes by which Adobe says why something
// failed: an answer of Flow Service or of the gateway before it, an answer of the
// token service IMS, or an error that stands in a failed run. Each code has a meaning
// in our words, a kind that says whether trying again can help, and a next step for a
// person.
//
// Adobe publishes two catalogs of Flow Service, and their numbers collide: 1401-400
// is a wrong query in one and an unsupported action in the other. So [Find] matches
// number, HTTP status and operation together. The catalog knows nothing of codes that
// Adobe does not publish; for these the HTTP status decides, and an unknown error of a
// run is retried.
//
// docs/errors.md is made from this catalog by the package's tests.
package aepcodes

import "slices"

// Family is the part of Adobe's platform that a code comes from.
type Family string

// The families.
const (
	// Gateway stands before every API of Adobe. Its codes are six digits that begin
	// with the HTTP status, such as 403003.
	Gateway Family = "gateway"
	// FlowService is Flow Service itself: FLOW-1439-404.
	FlowService Family = "Flow Service"
	// Sources is the part of Flow Service that runs sources. Adobe does not publish
	// the prefix of its codes: 1387-400.
	Sources Family = "sources"
	// IMS is Adobe's token service. Its codes are words, such as invalid_client.
	IMS Family = "IMS"
	// Run is an error that stands in a failed run: CONNECTOR-1001-500, INGEST-1212-400,
	// or a bare number such as 140.
	Run Family = "run"
)

// Operation is the call that a code answers.
type Operation string

// The operations.
const (
	// Retrigger is the re-trigger of a run. A code that is not listed for it is
	// looked up under AnyCall.
	Retrigger Operation = "re-trigger"
	// AnyCall is any call on Flow Service, reads included.
	AnyCall Operation = "any call"
	// Token is the request of an access token from IMS.
	Token Operation = "token"
	// RunError is no call: the code is one of the errors of a failed run.
	RunError Operation = "error of a run"
)

// Kind says what a code means for the caller.
type Kind string

// The kinds.
const (
	// Passing is a failure that may pass by itself: try again. After a re-trigger,
	// look for the new run first, unless the entry has NoEffect.
	Passing Kind = "passing"
	// NotYet is a refusal of something that Adobe may accept in a while: wait, but
	// not without end. Nothing was changed.
	NotYet Kind = "not yet"
	// Permanent is a refusal that the same request gets every time.
	Permanent Kind = "permanent"
	// Credential is a refused token, client id, secret or org. It fails every run of
	// the org alike, so it is no fault of the run.
	Credential Kind = "credential"
	// Permission is a valid credential without the right to do this.
	Permission Kind = "permission"
	// NotFound is a run, dataflow or sandbox that does not exist, or that the
	// credential must not see.
	NotFound Kind = "not found"
	// Data is a fault of the ingested data or of its amount: a run of the same data
	// fails again.
	Data Kind = "data"
	// Done means that the data is in already: there is nothing to retry.
	Done Kind = "done"
)

// Reason is the one word that the function gives as the reason of its outcome.
type Reason string

// The reasons; docs/outcomes.md explains them. A passing code has none.
const (
	FlowDisabled       Reason = "flow_disabled"
	NotRetryable       Reason = "not_retryable"
	StateNotYet        Reason = "not_yet"
	DuplicateBatch     Reason = "duplicate_batch"
	DataError          Reason = "data_error"
	Forbidden          Reason = "forbidden"
	SandboxNotFound    Reason = "sandbox_not_found"
	RunNotFound        Reason = "run_not_found"
	CredentialsRefused Reason = "credentials_refused"
	Rejected           Reason = "rejected"
)

// Entry is one code.
type Entry struct {
	Family Family
	// Code is a number ("1387", "403003"), a word of IMS ("invalid_client"), or a
	// run's code without its status ("CONNECTOR-1001", "140"). A * at the end stands
	// for any rest, and "*" alone for any code or none. Empty means an answer that has
	// no number of Adobe's: no code, a word such as Forbidden, or the HTTP status.
	Code string
	// Status is the HTTP status. 0 means any that blames the request: 408, 429 and 5xx
	// say that the fault may pass, so an entry without a status matches them only if
	// it is passing or done itself.
	Status    int
	Operation Operation
	// Text is a regular expression that the message must match, whatever its case;
	// empty for any message. Unless is one that it must not match.
	Text, Unless string
	// Example is a message that matches Text; empty without Text.
	Example string
	// Meaning is what Adobe says, in our words.
	Meaning string
	Kind    Kind
	// Reason is empty for a passing code.
	Reason Reason
	// NextStep says in one sentence what a person does about it; empty where there is
	// nothing to do.
	NextStep string
	// OtherOp means that Adobe may have refused only the spelling of the operation,
	// re-trigger or RE_TRIGGER, so that the other spelling is worth one try.
	OtherOp bool
	// NoEffect means that Adobe refused the call before it began, so that nothing was
	// changed although the status is 5xx.
	NoEffect bool
}

// tables are the parts of the catalog, in the order of docs/errors.md.
func tables() [4][]Entry { return [...][]Entry{retriggerCodes, anyCallCodes, tokenCodes, runCodes} }

// All returns the catalog in the order of docs/errors.md. The caller may change it.
func All() []Entry {
	tables := tables()
	return slices.Concat(tables[:]...)
}

// Find returns the entry of a code that answered op.
//
// code is as Adobe wrote it, with or without prefix and status: "FLOW-1387-400",
// "1387-400" and "1387" are the same code. status is the HTTP status of the answer; 0
// means that only the code tells it, as in a run's errors. Where both are given the
// answer's status counts; the code's own counts if the catalog lacks the first and
// both are 4xx. message is Adobe's text.
//
// Where several entries match, the best one counts: an entry for the operation itself
// before one for AnyCall, then one whose Text matches before one without a Text, then an
// exact code before one with a *. Of the gateway's entries an exact code comes before one
// with a * whatever the text. The result is false if the catalog does not know the code.
func Find(op Operation, code string, status int, message string) (Entry, bool) {
	asked := parseCode(code)
	best, found := Entry{}, -1
	for _, part := range tables() {
		for _, e := range part {
			if fit := e.fit(op, asked, status, message); fit > found {
				best, found = e, fit
			}
		}
	}
	return best, found >= 0
}
