package retry

import (
	"errors"
	"fmt"
	"sync"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// publishSlowDown tells the other processes that Adobe asked the org to slow down.
func (w *attempt) publishSlowDown() {
	ctx, cancel := w.recording()
	defer cancel()
	if err := w.throttle.PublishSlowDown(ctx, w.facts.Request.OrgID); err != nil {
		w.Log.WarnContext(w.ctx, "other processes were not told to slow down", "orgId", w.facts.Request.OrgID, "error", err.Error())
	}
}

// fetchAccount begins to fetch the org's account. The function that it returns waits for it.
func (w *attempt) fetchAccount() func() (*credentials.Account, error) {
	type fetched struct {
		account *credentials.Account
		err     error
		panic   any
	}
	done := make(chan fetched, 1)
	orgID := w.facts.Request.OrgID
	go func() {
		var f fetched
		defer func() {
			f.panic = recover() // it is raised again where it is waited for
			done <- f
		}()
		f.account, f.err = w.accounts.ForOrg(w.ctx, orgID)
	}()
	return sync.OnceValues(func() (*credentials.Account, error) {
		f := <-done
		if f.panic != nil {
			panic(f.panic)
		}
		return f.account, f.err
	})
}

// authorized returns the org's account, with a token at hand.
func (w *attempt) authorized() (account *credentials.Account, fault error) {
	fault = w.withAccount(func(client *flowclient.Client) error { return client.Authorize(w.ctx) })
	if fault != nil {
		return nil, fault
	}
	account, err := w.account()
	if err != nil {
		return nil, &accountError{err}
	}
	return account, nil
}

// withAccount makes a call that changes nothing, with a renewed credential if the first is
// refused. The error is an [*accountError] if there is no usable credential.
func (w *attempt) withAccount(call func(*flowclient.Client) error) (fault error) {
	account, err := w.account()
	if err != nil {
		return &accountError{err}
	}
	defer func() {
		if errors.Is(fault, flowclient.KindThrottled) {
			w.publishSlowDown()
		}
	}()
	if err = call(account.Client); !refused(err) {
		return err
	}
	if account, err = w.accounts.Renew(w.ctx, account, err); err != nil {
		return &accountError{err}
	}
	w.account = func() (*credentials.Account, error) { return account, nil }
	if err = call(account.Client); !refused(err) {
		return err
	}
	refusal := err
	if _, err = w.accounts.Renew(w.ctx, account, refusal); err == nil {
		err = refusedAgain(refusal)
	}
	return &accountError{err}
}

// accountError means that there is no usable credential.
type accountError struct{ err error }

func (e *accountError) Error() string { return e.err.Error() }

func (e *accountError) Unwrap() error { return e.err }

// refusedAgain is the error of a call whose renewed credential was refused, too, although
// the secret has got another one meanwhile.
func refusedAgain(refusal error) error {
	return &credentials.Error{Kind: credentials.Refused, Err: fmt.Errorf("the secret changed again while its credential was refused: %w", refusal)}
}

func refused(err error) bool { return errors.Is(err, flowclient.KindUnauthorized) }
