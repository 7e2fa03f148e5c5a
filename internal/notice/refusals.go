package notice

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	// tellTime bounds what a request waits for the notice of its refused credential.
	tellTime = 2 * time.Second
	// tellAgain is how long after a notice could not be sent the next try is made.
	tellAgain = time.Minute
	// toldTTL is how long the ledger's table keeps that a day's notice was sent.
	toldTTL = 48 * time.Hour
)

// Store keeps which notices were sent; see [store.Table].
type Store interface {
	Read(ctx context.Context, keys ...string) ([]store.Record, error)
	Commit(ctx context.Context, writes ...store.Write) error
}

// Accounts gives the accounts of orgs; see [credentials.Store].
type Accounts interface {
	All(ctx context.Context) ([]*credentials.Account, []*credentials.Error)
	ForOrg(ctx context.Context, orgID string) (*credentials.Account, error)
	Renew(ctx context.Context, refused *credentials.Account, cause error) (*credentials.Account, error)
}

// Watch returns the accounts, and sends a notice when Adobe refuses the credential of one:
// once for each org and day (UTC). Without a bus it returns the accounts as they are.
//
// An item of the ledger's table says that the day's notice was sent. It is written after the
// notice: a crash in between may double the notice, and never loses one. A refusal that the
// notice can't be sent for is met again, and so is the notice, after a minute.
//
// The notice never fails the call that met the refusal, and takes two seconds of it at most.
// A dry run that meets a refusal tells of it, too: the refusal is real.
func Watch(accounts Accounts, bus *Bus, table Store, now func() time.Time, log *slog.Logger) Accounts {
	if !bus.Enabled() {
		return accounts
	}
	return &watched{Accounts: accounts, bus: bus, table: table, now: now, log: log, orgs: map[string]*refusal{}}
}

// watched are accounts whose refusals are told.
type watched struct {
	Accounts

	bus   *Bus
	table Store
	now   func() time.Time
	log   *slog.Logger

	mu   sync.Mutex
	orgs map[string]*refusal
}

// refusal is what this process knows of the notices of an org.
type refusal struct {
	day    string    // whose notice was sent
	notYet time.Time // before then no try is made: one is under way, or has failed
}

// ForOrg returns the account of an org, as [credentials.Store.ForOrg] does.
func (w *watched) ForOrg(ctx context.Context, orgID string) (*credentials.Account, error) {
	account, err := w.Accounts.ForOrg(ctx, orgID)
	w.look(ctx, err)
	return account, err
}

// Renew renews an account, as [credentials.Store.Renew] does.
func (w *watched) Renew(ctx context.Context, refused *credentials.Account, cause error) (*credentials.Account, error) {
	account, err := w.Accounts.Renew(ctx, refused, cause)
	w.look(ctx, err)
	return account, err
}

// look sends the day's notice if an error is a refusal and nobody has sent it.
func (w *watched) look(ctx context.Context, err error) {
	fault, ok := errors.AsType[*credentials.Error](err)
	if !ok || fault.Kind != credentials.Refused || fault.OrgID() == "" {
		return
	}
	orgID, now := fault.OrgID(), w.now().UTC()
	day := now.Format(time.DateOnly)
	if !w.begin(orgID, day, now) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	sent, err := w.tell(ctx, fault, day, now)
	switch {
	case sent && err != nil:
		w.log.WarnContext(ctx, "that the notice of a refused credential was sent could not be noted; another process may send it again", "orgId", orgID, "error", err.Error())
	case err != nil:
		w.log.ErrorContext(ctx, "the notice of a refused credential could not be sent; it is tried again", "orgId", orgID, "error", err.Error())
	}
	if sent {
		w.mu.Lock()
		w.orgs[orgID].day = day
		w.mu.Unlock()
	}
}

// begin reports whether this call is to send the notice.
func (w *watched) begin(orgID, day string, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.orgs[orgID]
	if known == nil {
		known = &refusal{}
		w.orgs[orgID] = known
	}
	if known.day == day || now.Before(known.notYet) {
		return false
	}
	known.notYet = now.Add(tellAgain)
	return true
}

// tell sends the notice unless another process has, and notes that it was sent.
func (w *watched) tell(ctx context.Context, fault *credentials.Error, day string, now time.Time) (sent bool, err error) {
	key := "told#credential#" + fault.OrgID() + "#" + day
	found, err := w.table.Read(ctx, key)
	if err != nil || len(found) > 0 {
		return len(found) > 0, err
	}
	if err := w.bus.Send(ctx, refused(fault, day, now)); err != nil {
		return false, err
	}
	err = w.table.Commit(ctx, store.Write{Key: key, New: store.Record{
		store.AttributeKey: key, store.AttributeRev: "told", store.AttributeTTL: store.TTL(now.Add(toldTTL)),
	}})
	if errors.As(err, new(*store.ConflictError)) {
		return true, nil // another process has sent it at the same time
	}
	return true, err
}

// refused is the notice of a refusal.
func refused(fault *credentials.Error, day string, now time.Time) Notice {
	n := Notice{
		Kind: CredentialRefused, ID: ID(CredentialRefused, fault.OrgID(), day), At: now, OrgID: fault.OrgID(),
		Cause: "IMS or Adobe refused the credential", NextStep: "Put a valid client_id, client_secret and scopes there",
	}
	if answer, ok := errors.AsType[*flowclient.Error](fault.Err); ok {
		n.Code, n.Text = answer.Code, answer.Message
		n.Cause = "Adobe's gateway refused the credential"
		if answer.Op == flowclient.OpToken {
			n.Cause = "IMS refused the credential"
		}
		n.NextStep = cmp.Or(answer.NextStep(), n.NextStep)
	}
	n.NextStep = fmt.Sprintf("The credential is in the secret %s. %s", fault.SecretID, sentence(upper(n.NextStep))) + " The requests go on by themselves."
	return n
}
