package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// manager is a Secrets Manager with faults that no emulator gives.
type manager struct {
	mu      sync.Mutex
	secrets map[string]string
	err     error
	calls   int
}

func (m *manager) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.err != nil {
		return nil, m.err
	}
	text, ok := m.secrets[*in.SecretId]
	if !ok {
		return &secretsmanager.GetSecretValueOutput{SecretBinary: []byte("x")}, nil
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: &text}, nil
}

func (m *manager) set(id, text string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.secrets[id], m.err = text, err
}

func (m *manager) took() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.calls
	m.calls = 0
	return n
}

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const ttl = 5 * time.Minute

func newStore(ids ...string) (*credentials.Store, *manager, *clock) {
	m := &manager{secrets: map[string]string{}}
	c := &clock{t: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
	newClient := func(orgID string, cred flowclient.Credentials) (*flowclient.Client, error) {
		tokens, err := flowclient.NewIMS(cred)
		if err != nil {
			return nil, err
		}
		return flowclient.New(orgID, cred.ClientID, tokens)
	}
	return credentials.NewStore(m, ids, newClient, ttl, c.now), m, c
}

func secret(clientSecret string) string {
	return fmt.Sprintf(`{"client_id":"id","client_secret":%q,"org_id":"A@AdobeOrg","scopes":"openid,AdobeID"}`, clientSecret)
}

func kind(err error) credentials.Kind {
	if e, ok := errors.AsType[*credentials.Error](err); ok {
		return e.Kind
	}
	return 0
}

func TestForOrgChoosesByOrgAlone(t *testing.T) {
	t.Parallel()
	store, m, _ := newStore("a", "b")
	m.set("a", secret("s"), nil)
	m.set("b", `{"client_id":"id","client_secret":"s","org_id":"B@AdobeOrg","scopes":["openid"],"sandbox":"dev"}`, nil)

	got, err := store.ForOrg(t.Context(), "B@AdobeOrg")
	if err != nil || got.OrgID != "B@AdobeOrg" || got.Sandbox != "dev" {
		t.Errorf("ForOrg(B) = %+v, %v", got, err)
	}
	if _, err := store.ForOrg(t.Context(), "C@AdobeOrg"); kind(err) != credentials.OrgUnknown {
		t.Errorf("ForOrg(C) error = %v, want OrgUnknown", err)
	}
	if _, err := store.ForOrg(t.Context(), ""); kind(err) != credentials.OrgMissing {
		t.Errorf("ForOrg() error = %v, want OrgMissing", err)
	}
	if n := m.took(); n != 2 {
		t.Errorf("secrets fetched %d times, want once each", n)
	}
}

func TestForOrgWithoutOrgTakesTheOnlySecret(t *testing.T) {
	t.Parallel()
	store, m, _ := newStore("a")
	m.set("a", secret("s"), nil)
	if got, err := store.ForOrg(t.Context(), ""); err != nil || got.OrgID != "A@AdobeOrg" {
		t.Errorf("ForOrg() = %+v, %v", got, err)
	}
	if _, err := store.ForOrg(t.Context(), "B@AdobeOrg"); kind(err) != credentials.OrgUnknown {
		t.Errorf("ForOrg(B) error = %v, want OrgUnknown: the only secret is of another org", err)
	}
}

func TestOneBrokenSecretLeavesTheOthersWorking(t *testing.T) {
	t.Parallel()
	store, m, _ := newStore("a", "b")
	m.set("a", secret("s"), nil)
	m.set("b", "not JSON", nil)
	if _, err := store.ForOrg(t.Context(), "A@AdobeOrg"); err != nil {
		t.Errorf("ForOrg(A) error = %v", err)
	}
	_, err := store.ForOrg(t.Context(), "B@AdobeOrg")
	if kind(err) != credentials.SecretInvalid || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("ForOrg(B) error = %v, want SecretInvalid naming the secret: B may be in it", err)
	}
}

func TestTwoSecretsOfOneOrgAreAnError(t *testing.T) {
	t.Parallel()
	store, m, _ := newStore("a", "b")
	m.set("a", secret("s"), nil)
	m.set("b", secret("t"), nil)
	_, err := store.ForOrg(t.Context(), "A@AdobeOrg")
	if kind(err) != credentials.SecretInvalid || !strings.Contains(err.Error(), `"a" and "b"`) {
		t.Errorf("error = %v, want SecretInvalid naming both", err)
	}
}

func TestSecretIsCachedForItsTimeToLive(t *testing.T) {
	t.Parallel()
	store, m, clock := newStore("a")
	m.set("a", secret("s"), nil)
	first, err := store.ForOrg(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	clock.advance(ttl - 1)
	if _, err := store.ForOrg(t.Context(), ""); err != nil || m.took() != 1 {
		t.Errorf("a young secret was fetched again (error %v)", err)
	}
	clock.advance(1)
	same, err := store.ForOrg(t.Context(), "")
	if err != nil || m.took() != 1 {
		t.Errorf("an old secret was not fetched once (error %v)", err)
	}
	if same != first {
		t.Error("an unchanged secret made a new account: its token is lost")
	}
	m.set("a", secret("rotated"), nil)
	clock.advance(ttl)
	if changed, err := store.ForOrg(t.Context(), ""); err != nil || changed == first {
		t.Errorf("a changed secret made no new account (error %v)", err)
	}
}

func TestCachedSecretOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	store, m, clock := newStore("a")
	m.set("a", secret("s"), errors.New("down"))
	if _, err := store.ForOrg(t.Context(), ""); kind(err) != credentials.Unavailable {
		t.Fatalf("error = %v, want Unavailable", err)
	}
	if _, err := store.ForOrg(t.Context(), ""); kind(err) != credentials.Unavailable || m.took() != 1 {
		t.Errorf("error = %v, want Unavailable without a second call", err)
	}
	m.set("a", secret("s"), nil)
	clock.advance(credentials.FaultPause)
	if _, err := store.ForOrg(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	m.set("a", "", errors.New("down"))
	clock.advance(ttl)
	for range 3 {
		if _, err := store.ForOrg(t.Context(), ""); err != nil {
			t.Errorf("a cached secret is not used in an outage: %v", err)
		}
	}
	if n := m.took(); n != 2 {
		t.Errorf("%d calls, want the successful one and one in the outage", n)
	}
}

func TestCanceledCallerLeavesNoFault(t *testing.T) {
	t.Parallel()
	store, m, _ := newStore("a")
	m.set("a", secret("s"), context.Canceled)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.ForOrg(ctx, ""); kind(err) != credentials.Unavailable {
		t.Errorf("error = %v, want Unavailable", err)
	}
	m.set("a", secret("s"), nil)
	if _, err := store.ForOrg(t.Context(), ""); err != nil {
		t.Errorf("the next caller suffers from the canceled one: %v", err)
	}
}
