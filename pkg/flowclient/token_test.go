package flowclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

func credentials() flowclient.Credentials {
	return flowclient.Credentials{ClientID: apiKey, ClientSecret: secret, Scopes: []string{"openid, AdobeID", "session"}}
}

func newIMS(t *testing.T, handler http.HandlerFunc, opts ...flowclient.Option) *flowclient.IMS {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	opts = slices.Concat([]flowclient.Option{
		flowclient.WithIMSURL(server.URL), flowclient.WithHTTPClient(server.Client()), flowclient.WithBackoff(noWait),
	}, opts)
	ims, err := flowclient.NewIMS(credentials(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return ims
}

// issuer gives tokens numbered from 1 and counts them.
type issuer struct {
	mu        sync.Mutex
	count     int
	expiresIn string
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.count++
	_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":%s}`, i.count, i.expiresIn)
}

func (i *issuer) issued() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.count
}

func TestTokenRequest(t *testing.T) {
	t.Parallel()
	var uri, kind string
	var form map[string][]string
	ims := newIMS(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		uri, kind, form = r.Method+" "+r.RequestURI, r.Header.Get("Content-Type"), r.PostForm
		_, _ = io.WriteString(w, `{"access_token":"t","token_type":"Bearer","expires_in":86399}`)
	})
	if token, err := ims.Token(t.Context()); err != nil || token != "t" {
		t.Fatalf("got %q, %v", token, err)
	}
	if uri != "POST /ims/token/v3" || kind != "application/x-www-form-urlencoded" {
		t.Errorf("got %s with %s", uri, kind)
	}
	want := map[string][]string{"grant_type": {"client_credentials"}, "client_id": {apiKey}, "client_secret": {secret}, "scope": {"openid,AdobeID,session"}}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
}

func TestNewIMSRefusesWrongCredentials(t *testing.T) {
	t.Parallel()
	_, err := flowclient.NewIMS(flowclient.Credentials{Scopes: []string{" ,"}})
	for _, want := range []string{"client id is empty", "client secret is empty", "no scopes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want …%s…", err, want)
		}
	}
}

func TestTokenIsUsedUntilShortlyBeforeItsEnd(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		expiresIn string
		goodFor   time.Duration
	}{
		"seconds":      {"86399", 86399*time.Second - flowclient.TokenMargin},
		"milliseconds": {"3600000", time.Hour - flowclient.TokenMargin},
		"as text":      {`"3600"`, time.Hour - flowclient.TokenMargin},
		"short":        {"30", 15 * time.Second},
		"too long":     {"999999", flowclient.MaxTokenLifetime - flowclient.TokenMargin},
		"absurd":       {"9e18", flowclient.MaxTokenLifetime - flowclient.TokenMargin},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			adobe := &issuer{expiresIn: test.expiresIn}
			ims := newIMS(t, adobe.ServeHTTP, flowclient.WithClock(func() time.Time { return now }))
			for _, step := range []struct {
				after time.Duration
				want  string
			}{{0, "token-1"}, {test.goodFor - time.Millisecond, "token-1"}, {time.Millisecond, "token-2"}} {
				now = now.Add(step.after)
				if token, err := ims.Token(t.Context()); err != nil || token != step.want {
					t.Fatalf("after %v: got %q, %v, want %q", step.after, token, err, step.want)
				}
			}
		})
	}
}

func TestInvalidateDropsOnlyTheGivenToken(t *testing.T) {
	t.Parallel()
	adobe := &issuer{expiresIn: "3600"}
	ims := newIMS(t, adobe.ServeHTTP)
	var got []string
	for _, refused := range []string{"", "token-1", "token-1", "", "token-2"} {
		ims.Invalidate(refused)
		token, err := ims.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, token)
	}
	if diff := cmp.Diff([]string{"token-1", "token-2", "token-2", "token-2", "token-3"}, got); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
}

func TestOneRefreshHoweverManyCallers(t *testing.T) {
	t.Parallel()
	adobe := &issuer{expiresIn: "3600"}
	ims := newIMS(t, adobe.ServeHTTP)
	callers := func(want string) {
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if token, err := ims.Token(t.Context()); err != nil || token != want {
					t.Errorf("got %q, %v, want %q", token, err, want)
				}
			})
		}
		all.Wait()
	}
	callers("token-1")
	ims.Invalidate("token-1")
	callers("token-2")
	if adobe.issued() != 2 {
		t.Errorf("%d tokens were fetched, want 2", adobe.issued())
	}
}

// TestRefusedTokenUnderConcurrency: a hundred calls whose token is refused
// cause one refresh, not a hundred.
func TestRefusedTokenUnderConcurrency(t *testing.T) {
	t.Parallel()
	adobe := &issuer{expiresIn: "3600"}
	ims := newIMS(t, adobe.ServeHTTP)
	flow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, made)
	}))
	t.Cleanup(flow.Close)
	client := clientOf(t, flow, ims)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := client.Retrigger(t.Context(), sandbox, runID); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if adobe.issued() != 2 {
		t.Errorf("%d tokens were fetched, want 2", adobe.issued())
	}
}

// TestRefreshOutlivesItsFirstCaller: A caller that gives up does not take the token from
// the callers that still wait.
func TestRefreshOutlivesItsFirstCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		adobe := &issuer{expiresIn: "3600"}
		release := make(chan struct{})
		link := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			adobe.ServeHTTP(w, r)
		}))
		ims, err := flowclient.NewIMS(credentials(), flowclient.WithIMSURL("http://localhost"), flowclient.WithHTTPClient(link.client))
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			_, err := ims.Token(ctx)
			if failed := failure(t, err); failed.Op != flowclient.OpToken || failed.Kind != flowclient.KindTransient || !errors.Is(err, context.Canceled) {
				t.Errorf("first caller: got %+v", failed)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if token, err := ims.Token(t.Context()); err != nil || token != "token-1" {
				t.Errorf("second caller: got %q, %v", token, err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		all.Wait()
		if adobe.issued() != 1 {
			t.Errorf("%d tokens were fetched, want 1", adobe.issued())
		}
	})
}

// TestRefreshHasItsOwnTimeLimit: A token service that never answers makes no caller wait
// longer than the call timeout, whatever its context.
func TestRefreshHasItsOwnTimeLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		link := newNetwork(t, http.HandlerFunc(hang))
		ims, err := flowclient.NewIMS(credentials(), flowclient.WithIMSURL("http://localhost"), flowclient.WithHTTPClient(link.client), flowclient.WithCallTimeout(5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = ims.Token(t.Context())
		if took := time.Since(start); took != 5*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v after %v", err, took)
		}
	})
}

func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	const good = `{"access_token":"t","token_type":"bearer","expires_in":3600}`
	tests := map[string]struct {
		answers  []answer
		kind     flowclient.Kind // of the first error, if any
		code     string
		requests int
	}{
		"unavailable":        {[]answer{{status: 503}, {status: 200, body: good}}, "", "", 2},
		"reset":              {[]answer{{fault: reset}, {status: 200, body: good}}, "", "", 2},
		"truncated":          {[]answer{{fault: truncated(200, good)}, {status: 200, body: good}}, "", "", 2},
		"always unavailable": {[]answer{{status: 503}}, flowclient.KindTransient, "", 4},
		"invalid client":     {[]answer{{status: 401, body: `{"error":"invalid_client","error_description":"invalid client_secret"}`}}, flowclient.KindUnauthorized, "invalid_client", 1},
		"invalid client 400": {[]answer{{status: 400, body: `{"error":"invalid_client"}`}}, flowclient.KindUnauthorized, "invalid_client", 1},
		"invalid scope":      {[]answer{{status: 400, body: `{"error":"invalid_scope"}`}}, flowclient.KindUnauthorized, "invalid_scope", 1},
		"throttled":          {[]answer{{status: 429, header: map[string]string{"Retry-After": "9"}}}, flowclient.KindThrottled, "", 1},
		"not found":          {[]answer{{status: 404}}, flowclient.KindMalformed, "", 1},
		"HTML":               {[]answer{{status: 200, body: "<html>"}}, flowclient.KindMalformed, "", 1},
		"empty":              {[]answer{{status: 200}}, flowclient.KindMalformed, "", 1},
		"no token":           {[]answer{{status: 200, body: `{"token_type":"bearer","expires_in":3600}`}}, flowclient.KindMalformed, "", 1},
		"unusable token":     {[]answer{{status: 200, body: `{"access_token":"a\r\nb","expires_in":3600}`}}, flowclient.KindMalformed, "", 1},
		"other type":         {[]answer{{status: 200, body: `{"access_token":"t","token_type":"mac","expires_in":3600}`}}, flowclient.KindMalformed, "", 1},
		"no lifetime":        {[]answer{{status: 200, body: `{"access_token":"t","token_type":"bearer"}`}}, flowclient.KindMalformed, "", 1},
		"no longer good":     {[]answer{{status: 200, body: `{"access_token":"t","expires_in":-1}`}}, flowclient.KindMalformed, "", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &script{answers: test.answers}
			ims := newIMS(t, server.ServeHTTP)
			token, err := ims.Token(t.Context())
			if server.count() != test.requests {
				t.Errorf("%d requests, want %d", server.count(), test.requests)
			}
			if test.kind == "" {
				if err != nil || token != "t" {
					t.Errorf("got %q, %v", token, err)
				}
				return
			}
			if failed := failure(t, err); failed.Op != flowclient.OpToken || failed.Kind != test.kind || failed.Code != test.code || failed.Attempts != test.requests {
				t.Errorf("got %+v", failed)
			}
			if _, err := ims.Token(t.Context()); err == nil || server.count() != 2*test.requests {
				t.Errorf("the failure was cached: %v after %d requests", err, server.count())
			}
		})
	}
}

// TestNoErrorShowsASecret: The test has every fault, with a server that sends back all
// that it was sent.
func TestNoErrorShowsASecret(t *testing.T) {
	t.Parallel()
	// echo returns all that could give a secret away: header and form.
	echo := func(r *http.Request) string {
		body, _ := io.ReadAll(r.Body)
		form := string(body)
		_ = r.ParseForm()
		return r.Header.Get("Authorization") + " " + form + " " + secret
	}
	asJSON := func(field string) func(*http.Request) string {
		return func(r *http.Request) string {
			text, _ := json.Marshal(map[string]string{field: echo(r)})
			return string(text)
		}
	}
	respond := func(status int, body func(*http.Request) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			text := body(r)
			w.Header().Set("X-Request-Id", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	tests := map[string]http.HandlerFunc{
		"reset":     reset,
		"hang":      hang,
		"slow body": slowBody,
		"not HTTP": func(w http.ResponseWriter, r *http.Request) {
			malformedHTTP(echo(r)+"\r\n\r\n")(w, r)
		},
		"bad redirect": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://[::1/"+strings.ReplaceAll(echo(r), " ", "/"))
			w.WriteHeader(http.StatusFound)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/?"+echo(r))
			w.WriteHeader(http.StatusFound)
		},
		"cut secret": func(w http.ResponseWriter, r *http.Request) {
			text := echo(r)
			truncated(400, `{"message":"`+text[:len(text)-5])(w, r)
		},
		"cut token": func(w http.ResponseWriter, r *http.Request) {
			token, _, _ := strings.Cut(r.Header.Get("Authorization"), ".e")
			truncated(500, `{"message":"`+token)(w, r)
		},
		"odd type": respond(200, func(r *http.Request) string { return `{"id":{"a":"` + echo(r) + `"}}` }),
		"answer's time": respond(200, func(*http.Request) string {
			return `{"access_token":"` + oneToken + `","expires_in":"` + secret + `"}`
		}),
		"text 200":       respond(200, echo),
		"text 400":       respond(400, echo),
		"text 401":       respond(401, echo),
		"text 500":       respond(500, echo),
		"message":        respond(400, asJSON("message")),
		"error":          respond(400, asJSON("error")),
		"description":    respond(401, asJSON("error_description")),
		"type":           respond(403, asJSON("type")),
		"title":          respond(404, asJSON("title")),
		"throttled":      respond(429, asJSON("errorMessage")),
		"other token":    respond(400, func(*http.Request) string { return "Bearer abcdefghijklmnopqrstuvwxyz " + oneToken }),
		"error and more": respond(409, asJSON("error_code")),
	}
	parts := []string{
		secret, secret[:12], "Zx%2Fsecret", oneToken, "eyJhbGciOiJSUzI1NiJ9", "abcdefghijklmnopqrstuvwxyz",
		"0123456789opaque-token",
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				opts := []flowclient.Option{
					flowclient.WithBaseURL("http://localhost"), flowclient.WithIMSURL("http://localhost"), flowclient.WithHTTPClient(newNetwork(t, handler).client),
				}
				for _, token := range []string{oneToken, "0123456789opaque-token"} {
					client, err := flowclient.New(org, apiKey, &tokens{left: []string{token}}, opts...)
					if err != nil {
						t.Fatal(err)
					}
					_, err = client.Retrigger(t.Context(), sandbox, runID)
					if err == nil {
						t.Error("no error")
					}
					// The client's secret is unknown to Flow Service, and to the client.
					checkNoSecret(t, err, parts[3:]...)
					_, err = client.Run(t.Context(), sandbox, runID)
					checkNoSecret(t, err, parts[3:]...)
				}
				ims, err := flowclient.NewIMS(credentials(), opts...)
				if err != nil {
					t.Fatal(err)
				}
				if _, err = ims.Token(t.Context()); err == nil {
					t.Error("no error of IMS")
				}
				checkNoSecret(t, err, parts...)
			})
		})
	}
}

func TestCredentialsPrintNoSecret(t *testing.T) {
	t.Parallel()
	c := credentials()
	ims, err := flowclient.NewIMS(c)
	if err != nil {
		t.Fatal(err)
	}
	client, err := flowclient.New(org, apiKey, ims)
	if err != nil {
		t.Fatal(err)
	}
	unexported := &struct{ ims *flowclient.IMS }{ims}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{c, &c, ims, client, unexported, []any{c, ims}, struct{ C flowclient.Credentials }{c}} {
			_, _ = fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "c", c, "p", &c, "ims", ims, "client", client, "in", struct{ C flowclient.Credentials }{c})
	}
	if err := json.NewEncoder(&out).Encode([]any{c, ims, client}); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{secret, fmt.Sprintf("%x", secret), `p8e-Zx/secret+of=the\u0026client`} {
		if strings.Contains(out.String(), form) {
			t.Error("a secret was printed")
		}
	}
	if !strings.Contains(out.String(), "IMS credential of client "+apiKey) {
		t.Error("the client id was not printed")
	}
}
