// Package notice tells people what they must know: a dataflow that keeps failing, its
// recovery, a run that was given up, a credential that Adobe refuses. A [Notice] is one such
// message, and a [Bus] sends it to an EventBridge bus of the user's choice.
//
// The package decides nothing: when a notice is due, and whether it was sent, is the
// caller's to know. Who sends a notice again gives it the same id.
//
// A notice goes to e-mail and chat. So it has no control characters, its texts are cut where
// they are long, and whatever looks like a token or a password is taken out. The folder
// events/out has a JSON Schema and a sample of each kind.
package notice

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Kind is what a notice tells. It is the event's detail-type.
type Kind string

// The kinds.
const (
	// Failing: a failing episode of a dataflow has begun.
	Failing Kind = "Dataflow Failing"
	// Recovered: the episode has ended with a success.
	Recovered Kind = "Dataflow Recovered"
	// GivenUp: a run became a dead letter, the first one of its episode.
	GivenUp Kind = "Run Given Up"
	// CredentialRefused: Adobe refuses an org's credential, and the requests of the org wait.
	CredentialRefused Kind = "Credential Refused" //nolint:gosec // no credential
)

// SchemaVersion is the version of the fields, as events/out describes them. A field that is
// added later does not change it; a field that is taken away, or gets another meaning, does.
const SchemaVersion = 1

// Notice is one message for people. A field without a value is left out of the event.
type Notice struct {
	Kind Kind
	// ID is the same each time that this notice is sent. [ID] makes it.
	ID string
	// At is when the thing happened of which the notice tells.
	At time.Time
	// OrgID, Sandbox, FlowID and FlowName say which dataflow it is; Root and RunID say which
	// lineage and which run.
	OrgID, Sandbox, FlowID, FlowName, Root, RunID string
	// Attempts is how often the lineage was re-triggered.
	Attempts int
	// FirstFailure is when the first run of the episode failed.
	FirstFailure time.Time
	// Window is the data window of the run; zero if it is not known.
	Window flowclient.Window
	// Code and Text are the run's error as Adobe tells it, or Adobe's refusal of the
	// credential.
	Code, Text string
	// Cause says in a sentence why, and NextStep what a person does about it. A notice without
	// a next step gets that of its kind.
	Cause, NextStep string
	// Count is how many runs have failed in the episode so far.
	Count int
	// DaysLeft is how many days remain until Adobe disables the dataflow; nil if that is not
	// known.
	DaysLeft *int
}

// ID makes the id of a notice from what tells it from others of its kind, such as its org, its
// dataflow and the beginning of the episode. The same parts make the same id.
func ID(kind Kind, parts ...string) string {
	h := sha256.New()
	for _, part := range append([]string{string(kind)}, parts...) {
		_, _ = h.Write([]byte(strconv.Itoa(len(part)) + ":" + part)) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
