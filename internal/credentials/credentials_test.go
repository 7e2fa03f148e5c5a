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

func TestTwoSecretsOfOneOrg(t *testing.T) {
	t.Parallel()
	store, m, _ := newStore("a", "b")
	m.set("a", secret("s"), nil)
	m.set("b", secret("t"), nil)
	_, err := store.ForOrg(t.Context(), "A@AdobeOrg")
	if kind(err) != credentials.SecretInvalid || !strings.Contains(err.Error(), `"a" and "b"`) {
		t.Errorf("error = %v, want SecretInvalid naming both", err)
	}
}

func TestSecretFaultsNameTheFieldAndNoValue(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"not JSON":      {`{"client_secret":"hunter2`, []string{"is not a JSON object"}},
		"not an object": {`["hunter2"]`, []string{"is not a JSON object"}},
		"all missing":   {`{}`, []string{"client_id is missing", "client_secret is missing", "org_id is missing", "scopes is missing"}},
		"empty": {
			`{"client_id":"hunter2","client_secret":" ","org_id":"A@AdobeOrg","scopes":""}`,
			[]string{"client_secret is missing or empty", "scopes is missing or empty"},
		},
		"wrong types": {
			`{"client_id":1,"client_secret":{"a":"hunter2"},"org_id":"A@AdobeOrg","scopes":7,"sandbox":[]}`,
			[]string{"client_id must be a string", "client_secret must be a string", "scopes must be a comma-separated", "sandbox must be a string"},
		},
		"wrong org":   {`{"client_id":"a","client_secret":"hunter2","org_id":"hunter2","scopes":["x"]}`, []string{"org_id must end in"}},
		"list scopes": {`{"client_id":"a","client_secret":"hunter2","org_id":"A@AdobeOrg","scopes":[" "]}`, []string{"scopes is missing or empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, m, _ := newStore("aep/ims")
			m.set("aep/ims", tt.text, nil)
			_, err := store.ForOrg(t.Context(), "")
			if kind(err) != credentials.SecretInvalid {
				t.Fatalf("error = %v, want SecretInvalid", err)
			}
			for _, want := range append(tt.want, `secret "aep/ims"`) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q contains a value", err)
			}
		})
	}
}

func TestBinarySecret(t *testing.T) {
	t.Parallel()
	store, _, _ := newStore("a")
	if _, err := store.ForOrg(t.Context(), ""); kind(err) != credentials.SecretInvalid || !strings.Contains(err.Error(), "binary") {
		t.Errorf("error = %v", err)
	}
}

func TestCacheAndTimeToLive(t *testing.T) {
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

func TestRenewPicksUpARotatedSecret(t *testing.T) {
	t.Parallel()
	store, m, _ := newStore("a")
	m.set("a", secret("old"), nil)
	old, err := store.ForOrg(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	m.set("a", secret("new"), nil)
	m.took()

	var wg sync.WaitGroup
	renewed := make([]*credentials.Account, 20)
	for i := range renewed {
		wg.Go(func() {
			account, err := store.Renew(t.Context(), old)
			if err != nil {
				t.Errorf("Renew() error = %v", err)
			}
			renewed[i] = account
		})
	}
	wg.Wait()
	for _, account := range renewed {
		if account == old || account != renewed[0] {
			t.Fatal("callers that were refused together did not get one new account")
		}
	}
	if n := m.took(); n != 1 {
		t.Errorf("%d fetches for 20 refusals, want 1", n)
	}
}

func TestRefusedSecretIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	store, m, clock := newStore("a")
	m.set("a", secret("hunter2"), nil)
	account, err := store.ForOrg(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	m.took()
	for range 3 {
		_, err := store.Renew(t.Context(), account)
		if kind(err) != credentials.Refused || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Renew() error = %v, want Refused without a value", err)
		}
		if _, err := store.ForOrg(t.Context(), ""); kind(err) != credentials.Refused {
			t.Errorf("ForOrg() error = %v, want Refused", err)
		}
	}
	if n := m.took(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
	clock.advance(credentials.RefusalPause)
	if again, err := store.ForOrg(t.Context(), ""); err != nil || again != account {
		t.Errorf("ForOrg() after the pause = %v, %v", again, err)
	}
}

func TestARenewedSecretOfAnotherOrgIsNotUsed(t *testing.T) {
	t.Parallel()
	store, m, _ := newStore("a")
	m.set("a", secret("s"), nil)
	account, err := store.ForOrg(t.Context(), "A@AdobeOrg")
	if err != nil {
		t.Fatal(err)
	}
	m.set("a", strings.ReplaceAll(secret("s"), "A@AdobeOrg", "B@AdobeOrg"), nil)
	if got, err := store.Renew(t.Context(), account); kind(err) != credentials.OrgUnknown {
		t.Errorf("Renew() = %+v, %v; want OrgUnknown", got, err)
	}
}
