package credentials

import "fmt"

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
	// secret has not changed since.
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

// Unwrap returns the fault itself.
func (e *Error) Unwrap() error { return e.Err }
