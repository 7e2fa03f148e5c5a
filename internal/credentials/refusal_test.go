package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// errRefused is a refusal that does not say who refused.
var errRefused = errors.New("refused")

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
			account, err := store.Renew(t.Context(), old, errRefused)
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
		_, err := store.Renew(t.Context(), account, errRefused)
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

func TestChangedSecretOfAnotherOrgIsNotUsed(t *testing.T) {
	t.Parallel()
	store, m, _ := newStore("a")
	m.set("a", secret("s"), nil)
	account, err := store.ForOrg(t.Context(), "A@AdobeOrg")
	if err != nil {
		t.Fatal(err)
	}
	m.set("a", strings.ReplaceAll(secret("s"), "A@AdobeOrg", "B@AdobeOrg"), nil)
	if got, err := store.Renew(t.Context(), account, errRefused); kind(err) != credentials.OrgUnknown {
		t.Errorf("Renew() = %+v, %v; want OrgUnknown", got, err)
	}
}

// ims is a token service that takes some client secrets.
type ims struct {
	url   string
	mu    sync.Mutex
	valid map[string]bool
	down  bool
	asked []string // the client secrets, in their order
}

func newIMS(t *testing.T, valid ...string) *ims {
	t.Helper()
	s := &ims{valid: map[string]bool{}}
	for _, text := range valid {
		s.valid[text] = true
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		text := r.PostFormValue("client_secret")
		s.asked = append(s.asked, text)
		switch {
		case s.down:
			w.WriteHeader(http.StatusBadGateway)
		case s.valid[text]:
			_, _ = io.WriteString(w, `{"access_token":"t","expires_in":3600}`)
		default:
			w.Header().Set("X-Debug-Id", "debug-7")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"The client secret is wrong"}`)
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *ims) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *ims) set(down bool, valid ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.valid = down, map[string]bool{}
	for _, text := range valid {
		s.valid[text] = true
	}
}

// storeAt makes a store of the secret "a" whose clients ask this token service.
func storeAt(s *ims) (*credentials.Store, *manager, *clock) {
	m := &manager{secrets: map[string]string{}}
	c := &clock{t: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
	newClient := func(orgID string, cred flowclient.Credentials) (*flowclient.Client, error) {
		options := []flowclient.Option{flowclient.WithIMSURL(s.url), flowclient.WithMaxAttempts(1)}
		tokens, err := flowclient.NewIMS(cred, options...)
		if err != nil {
			return nil, err
		}
		return flowclient.New(orgID, cred.ClientID, tokens, options...)
	}
	return credentials.NewStore(m, []string{"a"}, newClient, ttl, c.now), m, c
}

func listed(clientSecrets ...string) string {
	return fmt.Sprintf(`{"client_id":"id","client_secrets":["%s"],"org_id":"A@AdobeOrg","scopes":"openid"}`, strings.Join(clientSecrets, `","`))
}

// first is the account of the only secret, and how IMS refuses it.
func first(t *testing.T, store *credentials.Store) (*credentials.Account, error) {
	t.Helper()
	account, err := store.ForOrg(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	refusal := account.Client.Authorize(t.Context())
	if !errors.Is(refusal, flowclient.KindUnauthorized) {
		t.Fatalf("Authorize() error = %v, want a refusal", refusal)
	}
	return account, refusal
}

func TestRefusalSaysWhoRefusedAndHow(t *testing.T) {
	t.Parallel()
	gateway := &flowclient.Error{
		Op: flowclient.OpRun, Resource: "run", Kind: flowclient.KindForbidden, Status: 403, Code: "403003", Message: "Api Key is invalid", RequestID: "req-1",
	}
	token := &flowclient.Error{
		Op: flowclient.OpToken, Kind: flowclient.KindUnauthorized, Status: 400, Code: "invalid_scope", Message: "not assigned", RequestID: "debug-1",
	}
	for name, tt := range map[string]struct {
		cause error
		want  []string
	}{
		"IMS":         {token, []string{"IMS refused the credential of org A@AdobeOrg: ", "HTTP 400", "invalid_scope: not assigned", "request-id debug-1", "Next step: Copy the scopes"}},
		"the gateway": {gateway, []string{"Adobe's gateway refused the credential of org A@AdobeOrg: ", "HTTP 403", "403003: Api Key is invalid", "request-id req-1", "Next step: Add the Experience Platform API"}},
		"wrapped":     {fmt.Errorf("page 3: %w", token), []string{"IMS refused", "page 3: ", "invalid_scope", "Next step: Copy the scopes"}},
		"not said":    {errRefused, []string{"IMS or Adobe refused the credential of org A@AdobeOrg: refused", "put a valid client_id"}},
		"no cause":    {nil, []string{"IMS or Adobe refused the credential of org A@AdobeOrg; put a valid client_id"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, m, _ := newStore("aep/ims")
			m.set("aep/ims", secret("hunter2"), nil)
			account, err := store.ForOrg(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			_, renewed := store.Renew(t.Context(), account, tt.cause)
			_, stands := store.ForOrg(t.Context(), "A@AdobeOrg")
			_, again := store.Renew(t.Context(), account, errors.New("another answer"))
			_, faults := store.All(t.Context())
			for _, err := range []error{renewed, stands, again, errors.Join(faults[0])} {
				if kind(err) != credentials.Refused {
					t.Fatalf("error = %v, want Refused", err)
				}
				for _, want := range append(tt.want, `secret "aep/ims"`) {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error %q lacks %q", err, want)
					}
				}
				if tt.cause != nil && !errors.Is(err, tt.cause) {
					t.Errorf("error %q does not wrap its cause", err)
				}
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("error %q has the client secret", err)
				}
			}
		})
	}
}

func TestUnreadableSecretAlsoSaysWhyItWasReadAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		err  error
		want credentials.Kind
	}{
		"Secrets Manager is down": {"", errors.New("down"), credentials.Unavailable},
		"it is broken now":        {`{"client_id":"id"}`, nil, credentials.SecretInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newIMS(t)
			store, m, _ := storeAt(server)
			m.set("a", secret("old"), nil)
			account, refusal := first(t, store)
			m.set("a", tt.text, tt.err)
			for range 2 { // at once, and while the fault stands
				_, err := store.Renew(t.Context(), account, refusal)
				if kind(err) != tt.want || errors.Is(err, flowclient.KindUnauthorized) {
					t.Errorf("error = %v, want kind %d, which is no refusal", err, tt.want)
				}
				for _, want := range []string{"IMS refused the credential of org A@AdobeOrg", "invalid_client", "debug-7"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error %q lacks %q", err, want)
					}
				}
			}
		})
	}
}

func TestNextClientSecretIsTriedWhenIMSRefusesTheFirst(t *testing.T) {
	t.Parallel()
	server := newIMS(t, "third")
	store, m, clock := storeAt(server)
	m.set("a", listed("first", "second", "third"), nil)
	account, refusal := first(t, store)
	m.took()
	server.took()

	var wg sync.WaitGroup
	renewed := make([]*credentials.Account, 10)
	for i := range renewed {
		wg.Go(func() {
			var err error
			if renewed[i], err = store.Renew(t.Context(), account, refusal); err != nil {
				t.Errorf("Renew() error = %v", err)
			}
		})
	}
	wg.Wait()
	for _, again := range renewed {
		if again != renewed[0] || again.Client.Authorize(t.Context()) != nil {
			t.Fatal("callers that were refused together did not get the one account that works")
		}
	}
	if asked := strings.Join(server.took(), " "); asked != "second third" {
		t.Errorf("IMS was asked with %q, want each other client secret once, in their order", asked)
	}
	if n := m.took(); n != 1 {
		t.Errorf("%d fetches of the secret, want 1", n)
	}
	clock.advance(ttl)
	if kept, err := store.ForOrg(t.Context(), ""); err != nil || kept != renewed[0] || m.took() != 1 {
		t.Errorf("ForOrg() = %p, %v; the client secret that worked must stay in use after the secret was fetched again", kept, err)
	}
}

func TestSecretIsRefusedWhenEachClientSecretIsRefused(t *testing.T) {
	t.Parallel()
	server := newIMS(t)
	store, m, clock := storeAt(server)
	m.set("a", listed("one-secret", "two-secret"), nil)
	account, refusal := first(t, store)
	server.took()
	for range 3 {
		_, err := store.Renew(t.Context(), account, refusal)
		if kind(err) != credentials.Refused || !strings.Contains(err.Error(), "each of its 2 client secrets: ") || strings.Contains(err.Error(), "-secret") {
			t.Errorf("Renew() error = %v, want Refused, with each client secret", err)
		}
	}
	if asked := server.took(); len(asked) != 1 {
		t.Errorf("IMS was asked %d times, want once for the other client secret", len(asked))
	}
	clock.advance(credentials.RefusalPause)
	server.set(false, "two-secret")
	if again, err := store.ForOrg(t.Context(), ""); err != nil || again != account {
		t.Fatalf("ForOrg() after the pause = %v, %v", again, err)
	}
	if _, err := store.Renew(t.Context(), account, refusal); err != nil {
		t.Errorf("Renew() after the pause: %v; the other client secret is valid now", err)
	}
}

func TestRotatedListIsTriedFromItsBeginning(t *testing.T) {
	t.Parallel()
	server := newIMS(t, "new")
	store, m, _ := storeAt(server)
	m.set("a", listed("old", "older"), nil)
	account, refusal := first(t, store)
	m.set("a", listed("wrong", "new", "old"), nil)
	server.took()
	renewed, err := store.Renew(t.Context(), account, refusal)
	if err != nil {
		t.Fatal(err)
	}
	if err := renewed.Client.Authorize(t.Context()); err != nil {
		t.Errorf("the renewed account is refused: %v", err)
	}
	if asked := strings.Join(server.took(), " "); asked != "wrong new" {
		t.Errorf("IMS was asked with %q", asked)
	}
}

func TestAnotherClientSecretIsTriedWithoutSecretsManager(t *testing.T) {
	t.Parallel()
	server := newIMS(t, "second")
	store, m, _ := storeAt(server)
	m.set("a", listed("first", "second"), nil)
	account, refusal := first(t, store)
	m.set("a", "", errors.New("down"))
	renewed, err := store.Renew(t.Context(), account, refusal)
	if err != nil {
		t.Fatalf("Renew() error = %v, want the client secret that is known", err)
	}
	if again, err := store.ForOrg(t.Context(), ""); err != nil || again != renewed {
		t.Errorf("ForOrg() = %p, %v; want the account that works", again, err)
	}
}

func TestOutageOfIMSRefusesNoClientSecret(t *testing.T) {
	t.Parallel()
	server := newIMS(t)
	store, m, _ := storeAt(server)
	m.set("a", listed("first", "second"), nil)
	account, refusal := first(t, store)
	server.set(true)
	renewed, err := store.Renew(t.Context(), account, refusal)
	if err != nil {
		t.Fatalf("Renew() error = %v; a token service that is down refuses nothing", err)
	}
	server.set(false, "first")
	back, err := store.Renew(t.Context(), renewed, renewed.Client.Authorize(t.Context()))
	if err != nil || back.Client.Authorize(t.Context()) != nil {
		t.Errorf("Renew() error = %v; the first client secret is valid again", err)
	}
}

func TestNoOtherClientSecretIsTriedWhenTheGatewayRefuses(t *testing.T) {
	t.Parallel()
	server := newIMS(t, "first", "second")
	store, m, _ := storeAt(server)
	m.set("a", listed("first", "second"), nil)
	account, err := store.ForOrg(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	cause := &flowclient.Error{Op: flowclient.OpRuns, Kind: flowclient.KindUnauthorized, Status: 403, Code: "403003"}
	if _, err := store.Renew(t.Context(), account, cause); kind(err) != credentials.Refused || strings.Contains(err.Error(), "each of") {
		t.Errorf("Renew() error = %v, want Refused", err)
	}
	if asked := server.took(); len(asked) != 0 {
		t.Errorf("IMS was asked %d times", len(asked))
	}
}

func TestChangedSecretIsUsedUntestedAfterTheGatewayRefused(t *testing.T) {
	t.Parallel()
	server := newIMS(t, "old", "new", "newer")
	store, m, _ := storeAt(server)
	m.set("a", listed("old"), nil)
	account, err := store.ForOrg(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	m.set("a", listed("newer", "new"), nil)
	cause := &flowclient.Error{Op: flowclient.OpRuns, Kind: flowclient.KindUnauthorized, Status: 401, Code: "401013"}
	if renewed, err := store.Renew(t.Context(), account, cause); err != nil || renewed == account || len(server.took()) != 0 {
		t.Errorf("Renew() = %p, %v; want the account of the new secret, and no call of IMS", renewed, err)
	}
}

// frozen is a clock as in an environment that Lambda froze for a while: the wall clock
// has gone on, the monotonic one has stood still.
func frozen(wall time.Time, seconds uint64) time.Time {
	// The first word of a time.Time with a monotonic reading has the seconds of the wall
	// clock above its 30 bits of nanoseconds. Nothing public sets one without the other.
	*(*uint64)(unsafe.Pointer(&wall)) += seconds << 30 //nolint:gosec // only in this test
	return wall
}

func TestCorrectedSecretIsSeenAfterAFreeze(t *testing.T) {
	t.Parallel()
	began, seconds := time.Now(), uint64(0)
	if d := frozen(began, 3600); d.Sub(began) != 0 || d.Round(0).Sub(began.Round(0)) != time.Hour {
		t.Fatalf("the clock of this test shows %v and %v", d.Sub(began), d.Round(0).Sub(began.Round(0)))
	}
	m := &manager{secrets: map[string]string{"a": secret("old")}}
	newClient := func(orgID string, cred flowclient.Credentials) (*flowclient.Client, error) {
		tokens, err := flowclient.NewIMS(cred)
		if err != nil {
			return nil, err
		}
		return flowclient.New(orgID, cred.ClientID, tokens)
	}
	store := credentials.NewStore(m, []string{"a"}, newClient, ttl, func() time.Time { return frozen(began, seconds) })
	account, err := store.ForOrg(t.Context(), "A@AdobeOrg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Renew(t.Context(), account, errRefused); kind(err) != credentials.Refused {
		t.Fatalf("Renew() error = %v, want Refused", err)
	}
	m.set("a", secret("new"), nil)
	seconds = 3600
	mended, err := store.ForOrg(t.Context(), "A@AdobeOrg")
	if err != nil || mended == account {
		t.Errorf("an hour later: %v; want the account of the mended secret", err)
	}
}

func TestClockThatIsSetBackDoesNotKeepARefusal(t *testing.T) {
	t.Parallel()
	store, m, clock := newStore("a")
	m.set("a", secret("old"), nil)
	account, err := store.ForOrg(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Renew(t.Context(), account, errRefused); kind(err) != credentials.Refused {
		t.Fatalf("Renew() error = %v, want Refused", err)
	}
	m.set("a", secret("new"), nil)
	clock.advance(-24 * time.Hour)
	if mended, err := store.ForOrg(t.Context(), ""); err != nil || mended == account {
		t.Errorf("after the clock was set back: %v; want the account of the mended secret", err)
	}
}

func TestCallerWithoutTimeDoesNotWait(t *testing.T) {
	t.Parallel()
	server := newIMS(t, "second")
	store, m, _ := storeAt(server)
	m.set("a", listed("first", "second"), nil)
	account, refusal := first(t, store)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Renew(ctx, account, refusal); err != nil && kind(err) != credentials.Unavailable {
		t.Errorf("Renew() error = %v", err)
	}
	renewed, err := store.Renew(t.Context(), account, refusal)
	if err != nil || renewed.Client.Authorize(t.Context()) != nil {
		t.Errorf("Renew() error = %v; the next caller suffers from the canceled one", err)
	}
}
