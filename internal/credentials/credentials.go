// Package credentials gives each org its Flow Service client, made of the IMS
// credentials in AWS Secrets Manager.
//
// One secret holds the credential of one org; several secrets serve several
// orgs. A run's org selects the secret, and nothing else does: credentials of
// one org are never used for a run of another.
//
// Secrets are cached. One is fetched again when it is older than a time to
// live, and at once when IMS or Adobe refuse it ([Store.Renew]), so that a
// rotated secret works without a deployment. Where Secrets Manager can't be
// reached, a cached secret goes on being used. A secret that was refused and
// has not changed is not used again for [RefusalPause]: IMS throttles clients
// that ask for too many tokens. One that could not be read is not asked for
// again for [FaultPause].
//
// A secret may list several client secrets, the newest first. The first is used until
// IMS refuses it; then the others are tried, and the one that works stays in use until
// the secret changes.
//
// All ages are by the wall clock. Lambda freezes an environment between invocations,
// and the monotonic clock may stand still meanwhile: a mended secret would go on being
// refused for as long as the environment was frozen.
package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// RefusalPause is how long a refused secret that has not changed is left
// alone.
const RefusalPause = 30 * time.Second

// FaultPause is how long Secrets Manager is left alone after it failed or gave
// something that is no credential.
const FaultPause = 5 * time.Second

// SecretsManager is the part of the AWS client that a Store uses.
type SecretsManager interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Account is what is needed to call Flow Service for one org. It is immutable;
// a renewed secret makes a new Account.
type Account struct {
	// OrgID is the IMS org, "…@AdobeOrg".
	OrgID string
	// ClientID is the credential's: Adobe names it as the creator of the runs that
	// its re-triggers make.
	ClientID string
	// Sandbox is the secret's own default, or empty.
	Sandbox string
	// Client calls Flow Service with the secret's credential.
	Client *flowclient.Client

	secretID     string
	clientSecret int // which one of the secret's it has
}

// NewClient makes the client for an org's credential. It must not call out.
type NewClient func(orgID string, c flowclient.Credentials) (*flowclient.Client, error)

// Store fetches and caches secrets. It is safe for concurrent use. Its zero
// value is not usable; see [NewStore].
type Store struct {
	entries   []*entry
	manager   SecretsManager
	newClient NewClient
	ttl       time.Duration
	now       func() time.Time
}

// entry is one secret's place in the cache. Its lock is held while the secret
// is fetched, so that one fetch is under way however many callers there are.
type entry struct {
	id   string
	lock chan struct{}

	secret     secret
	account    *Account // nil until the secret was read once
	fetchedAt  time.Time
	fault      *Error // why the account can't be used or renewed, from faultSince until faultUntil
	faultSince time.Time
	faultUntil time.Time
}

// NewStore makes a Store of the secrets with the given names or ARNs. Secrets
// older than ttl are fetched again when they are next asked for.
//
// Rule 25: of the clock only the wall clock's reading counts.
func NewStore(manager SecretsManager, secretIDs []string, newClient NewClient, ttl time.Duration, now func() time.Time) *Store {
	s := &Store{manager: manager, newClient: newClient, ttl: ttl, now: func() time.Time { return now().Round(0) }}
	for _, id := range secretIDs {
		s.entries = append(s.entries, &entry{id: id, lock: make(chan struct{}, 1)})
	}
	return s
}

// ForOrg returns the account of an org. An empty orgID means the only secret
// there is. The error is an [*Error].
func (s *Store) ForOrg(ctx context.Context, orgID string) (*Account, error) {
	accounts, errs := s.accounts(ctx)
	var found []*Account
	for _, account := range accounts {
		if account != nil && (orgID == "" || account.OrgID == orgID) {
			found = append(found, account)
		}
	}
	switch {
	case orgID == "" && len(s.entries) > 1:
		return nil, &Error{Kind: OrgMissing, Err: fmt.Errorf("the request names no org and %d secrets are configured: name one in orgId", len(s.entries))}
	case len(found) > 1:
		return nil, &Error{Kind: SecretInvalid, SecretID: found[1].secretID, Err: fmt.Errorf("secrets %q and %q are of the same org %s", found[0].secretID, found[1].secretID, orgID)}
	case len(found) == 1:
		return found[0], nil
	}
	for _, err := range errs {
		if err != nil && (err.orgID == "" || orgID == "" || err.orgID == orgID) {
			return nil, err // the org's secret may be the one that can't be read
		}
	}
	return nil, &Error{Kind: OrgUnknown, Err: fmt.Errorf("no configured secret is of org %s (secrets: %s)", orgID, s.ids())}
}

// All returns the accounts of all orgs, in the order of their secrets, and what is
// wrong with the secrets that give none.
func (s *Store) All(ctx context.Context) ([]*Account, []*Error) {
	accounts, errs := s.accounts(ctx)
	unset := func(err *Error) bool { return err == nil }
	return slices.DeleteFunc(accounts, func(a *Account) bool { return a == nil }), slices.DeleteFunc(errs, unset)
}

// Renew is called after IMS or Adobe refused the account; cause is the error in which
// they said so, usually a [*flowclient.Error]. It fetches the secret again and returns
// the account of its new value. Where IMS was the one who refused and the secret has
// other client secrets, each is tried at IMS, and the account has the first that is not
// refused.
//
// Otherwise the error is an [*Error] of kind [Refused], which wraps the cause, and
// [Store.ForOrg] answers the same for [RefusalPause]. An error of another kind, such as
// a secret that can no longer be read, has the cause's words in its text.
func (s *Store) Renew(ctx context.Context, refused *Account, cause error) (*Account, error) {
	for _, e := range s.entries {
		if e.id == refused.secretID {
			account, err := s.renew(ctx, e, refused, cause)
			switch {
			case err != nil:
				return nil, err
			case account.OrgID != refused.OrgID:
				other := &Error{Kind: OrgUnknown, SecretID: e.id, Err: fmt.Errorf("it is no longer of org %s", refused.OrgID)}
				return nil, other.after(refused.OrgID, cause)
			}
			return account, nil
		}
	}
	return nil, &Error{Kind: OrgUnknown, SecretID: refused.secretID, Err: fmt.Errorf("secret is not one of %s", s.ids())}
}

func (s *Store) ids() string {
	ids := make([]string, len(s.entries))
	for i, e := range s.entries {
		ids[i] = e.id
	}
	return strings.Join(ids, ", ")
}

// accounts returns the account or the error of each secret, in their order.
func (s *Store) accounts(ctx context.Context) ([]*Account, []*Error) {
	accounts := make([]*Account, len(s.entries))
	errs := make([]*Error, len(s.entries))
	if len(s.entries) == 1 { // no goroutine for the usual case
		accounts[0], errs[0] = s.current(ctx, s.entries[0])
		return accounts, errs
	}
	var group errgroup.Group
	for i, e := range s.entries {
		group.Go(func() error {
			accounts[i], errs[i] = s.current(ctx, e)
			return nil
		})
	}
	_ = group.Wait() // each result carries its own error
	return accounts, errs
}

// current returns the cached account, fetching it first if it is missing or
// old.
func (s *Store) current(ctx context.Context, e *entry) (*Account, *Error) {
	unlock, err := e.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	fault := s.standing(e)
	if fault == nil && (e.account == nil || s.old(e)) {
		fault = s.fetch(ctx, e)
	}
	if fault != nil && (e.account == nil || fault.Kind != Unavailable) {
		return nil, fault
	}
	return e.account, nil
}

// old reports whether the secret must be fetched again: it is older than the time to
// live, or the clock was set back since. The entry's lock is held.
func (s *Store) old(e *entry) bool {
	age := s.now().Sub(e.fetchedAt)
	return age < 0 || age >= s.ttl
}

func (s *Store) renew(ctx context.Context, e *entry, refused *Account, cause error) (*Account, *Error) {
	unlock, err := e.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if e.account != refused {
		return e.account, nil // another caller was refused too and has renewed it
	}
	fault := s.standing(e)
	if fault == nil {
		fault = s.fetch(ctx, e)
	}
	if fault != nil && fault.Kind != Unavailable {
		return nil, fault.after(refused.OrgID, cause)
	}
	if e.account != refused && len(e.secret.clientSecrets) == 1 {
		return e.account, nil
	}
	account, cause := s.other(ctx, e, refused, cause)
	switch {
	case account != nil:
		e.account = account
		return account, nil
	case fault != nil:
		return nil, fault.after(refused.OrgID, cause)
	}
	return nil, s.stand(e, RefusalPause, refusal(e, cause))
}

// other returns the account of another client secret that IMS does not refuse, or nil
// and the last refusal. Only if IMS refused does the client secret matter: Adobe's
// gateway looks at the client id and its rights. The entry's lock is held, so one
// caller tries them for all.
func (s *Store) other(ctx context.Context, e *entry, refused *Account, cause error) (*Account, error) {
	if !byIMS(cause) {
		if e.account != refused {
			return e.account, nil // the secret has changed
		}
		return nil, cause
	}
	for i := range e.secret.clientSecrets {
		if e.account == refused && i == refused.clientSecret {
			continue
		}
		account, err := s.account(e, e.secret, i)
		if err != nil {
			return nil, errors.Join(cause, err)
		}
		refusal := account.Client.Authorize(ctx)
		if !errors.Is(refusal, flowclient.KindUnauthorized) {
			return account, nil // where IMS can't be reached the caller will find out
		}
		cause = refusal
	}
	return nil, cause
}

// standing returns the fault that still stands, or nil. A fault from the future is one
// from before the clock was set back. The entry's lock is held.
func (s *Store) standing(e *entry) *Error {
	if now := s.now(); now.Before(e.faultUntil) && !now.Before(e.faultSince) {
		return e.fault
	}
	return nil
}

// stand lets a fault stand for a while. The entry's lock is held.
func (s *Store) stand(e *entry, pause time.Duration, fault *Error) *Error {
	now := s.now()
	e.fault, e.faultSince, e.faultUntil = fault, now, now.Add(pause)
	return fault
}

// fetch reads the secret and replaces the account if its value has changed.
// The entry's lock is held.
func (s *Store) fetch(ctx context.Context, e *entry) *Error {
	out, err := s.manager.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.id})
	if err != nil {
		fault := &Error{Kind: Unavailable, SecretID: e.id, Err: fmt.Errorf("get secret value: %w", err)}
		if ctx.Err() != nil {
			return fault // the caller ran out of time; that is no fault of the secret
		}
		return s.stand(e, FaultPause, fault)
	}
	value, err := read(out)
	account := e.account
	if err == nil && (account == nil || !value.equal(e.secret)) {
		account, err = s.account(e, value, 0)
	}
	if err != nil {
		return s.stand(e, FaultPause, &Error{Kind: SecretInvalid, SecretID: e.id, Err: err, orgID: value.orgID})
	}
	e.account, e.secret, e.fetchedAt = account, value, s.now()
	return nil
}

// read reads a secret that is text, or whose bytes are the same text.
func read(out *secretsmanager.GetSecretValueOutput) (secret, error) {
	if out.SecretString != nil {
		return parseSecret(*out.SecretString)
	}
	bytes := string(out.SecretBinary)
	if strings.HasPrefix(bytes, "\xff\xfe") || strings.HasPrefix(bytes, "\xfe\xff") {
		return secret{}, errors.New("is binary, and its bytes are UTF-16: store the JSON object as text, or in UTF-8")
	}
	value, err := parseSecret(bytes)
	if err != nil {
		err = fmt.Errorf("is binary, and its bytes read as text can't be used (store the JSON object as text): %w", err)
	}
	return value, err
}

// account makes the account with one of a secret's client secrets.
func (s *Store) account(e *entry, value secret, clientSecret int) (*Account, error) {
	client, err := s.newClient(value.orgID, flowclient.Credentials{
		ClientID: value.clientID, ClientSecret: value.clientSecrets[clientSecret], Scopes: value.scopes,
	})
	if err != nil {
		return nil, err
	}
	return &Account{
		OrgID: value.orgID, ClientID: value.clientID, Sandbox: value.sandbox, Client: client,
		secretID: e.id, clientSecret: clientSecret,
	}, nil
}

// acquire takes the entry's lock, or gives up with the context.
func (e *entry) acquire(ctx context.Context) (func(), *Error) {
	select {
	case e.lock <- struct{}{}:
		return func() { <-e.lock }, nil
	case <-ctx.Done():
		return nil, &Error{Kind: Unavailable, SecretID: e.id, Err: context.Cause(ctx)}
	}
}
