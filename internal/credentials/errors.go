package credentials

import (
	"errors"
	"fmt"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Kind says why there is no account.
type Kind int

const (
	// OrgUnknown means that no secret is of the request's org.
	OrgUnknown Kind = iota + 1
	// OrgMissing means that the request names no org and several are configured.
	OrgMissing
	// SecretInvalid means that a secret can't be read as a credential.
	SecretInvalid
	// Unavailable means that Secrets Manager did not give the secret.
	Unavailable
	// Refused means that IMS or Adobe refuse the credential, and that the
	// secret has not changed since. The error wraps what they said.
	Refused
)

// Error says which secret is at fault and why. It contains no value of a
// secret.
type Error struct {
	Kind     Kind
	SecretID string // empty where no single secret is at fault
	Err      error

	orgID string // the secret's org where it could be read
}

// Error names the secret and the fault.
func (e *Error) Error() string {
	if e.SecretID == "" {
		return "credentials: " + e.Err.Error()
	}
	return fmt.Sprintf("credentials: secret %q: %v", e.SecretID, e.Err)
}

// OrgID is the org whose secret it is; empty where that is not known.
func (e *Error) OrgID() string { return e.orgID }

// Unwrap returns the fault itself.
func (e *Error) Unwrap() error { return e.Err }

// refusal is the fault of a credential that was refused and has not changed.
func refusal(e *entry, cause error) *Error {
	orgID, each := e.secret.orgID, ""
	if n := len(e.secret.clientSecrets); n > 1 && byIMS(cause) {
		each = fmt.Sprintf(" with each of its %d client secrets", n)
	}
	const advice = "put a valid client_id, client_secret and scopes there"
	err := fmt.Errorf("%s refused the credential of org %s%s; %s", refuser(cause), orgID, each, advice)
	if fault, ok := errors.AsType[*flowclient.Error](cause); ok && fault.NextStep() != "" {
		err = fmt.Errorf("%s refused the credential of org %s%s: %w", refuser(cause), orgID, each, cause)
	} else if cause != nil {
		err = fmt.Errorf("%s refused the credential of org %s%s: %w; %s", refuser(cause), orgID, each, cause, advice)
	}
	return &Error{Kind: Refused, SecretID: e.id, Err: err, orgID: orgID}
}

// after adds to a fault that the secret was needed because the credential had been
// refused, and how. A refusal says so itself.
func (e *Error) after(orgID string, cause error) *Error {
	if e.Kind == Refused || cause == nil {
		return e
	}
	// The cause is in the text only: this error is no refusal, and must not pass for one.
	err := fmt.Errorf("%w (it was needed again since %s refused the credential of org %s: %s)", e.Err, refuser(cause), orgID, cause.Error())
	return &Error{Kind: e.Kind, SecretID: e.SecretID, Err: err, orgID: e.orgID}
}

// refuser says who refused a credential.
func refuser(cause error) string {
	if byIMS(cause) {
		return "IMS"
	}
	if _, ok := errors.AsType[*flowclient.Error](cause); ok {
		return "Adobe's gateway"
	}
	return "IMS or Adobe"
}

// byIMS reports whether IMS refused, and not Adobe's gateway in front of Flow Service.
func byIMS(cause error) bool {
	fault, ok := errors.AsType[*flowclient.Error](cause)
	return ok && fault.Op == flowclient.OpToken
}
