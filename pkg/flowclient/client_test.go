package flowclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

func TestNewRefusesWrongSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		org, key string
		tokens   flowclient.TokenSource
		option   flowclient.Option
		want     string
	}{
		"no org":         {key: apiKey, want: "org id is empty"},
		"no client id":   {org: org, want: "client id is empty"},
		"org of lines":   {org: "a\nb", key: apiKey, want: "org id has white space or control"},
		"plain http":     {org: org, key: apiKey, option: flowclient.WithBaseURL("http://platform.adobe.io"), want: "base URL is not https"},
		"not loopback":   {org: org, key: apiKey, option: flowclient.WithBaseURL("http://127.0.0.1.example.com"), want: "base URL is not https"},
		"other scheme":   {org: org, key: apiKey, option: flowclient.WithIMSURL("ftp://localhost"), want: "IMS URL is not https"},
		"relative":       {org: org, key: apiKey, option: flowclient.WithIMSURL("ims.adobe.com"), want: "IMS URL is no absolute URL"},
		"unreadable":     {org: org, key: apiKey, option: flowclient.WithBaseURL("https://%zz"), want: "base URL is no absolute URL"},
		"password":       {org: org, key: apiKey, option: flowclient.WithBaseURL("https://user:hush@x"), want: "base URL has a user name"},
		"query":          {org: org, key: apiKey, option: flowclient.WithBaseURL("https://x/?a=hush"), want: "base URL has a query"},
		"no op":          {org: org, key: apiKey, option: flowclient.WithOp(""), want: "op must be auto, re-trigger or RE_TRIGGER"},
		"time limit":     {org: org, key: apiKey, option: flowclient.WithCallTimeout(0), want: "call timeout is not positive"},
		"attempts":       {org: org, key: apiKey, option: flowclient.WithMaxAttempts(0), want: "number of attempts"},
		"backoff":        {org: org, key: apiKey, option: flowclient.WithBackoff(nil), want: "backoff is missing"},
		"clock":          {org: org, key: apiKey, option: flowclient.WithClock(nil), want: "clock is missing"},
		"user agent":     {org: org, key: apiKey, option: flowclient.WithUserAgent("a\r\nb"), want: "user agent has control"},
		"all at once: 1": {option: flowclient.WithOp(""), want: "org id is empty"},
		"all at once: 2": {option: flowclient.WithOp(""), want: "op must be auto, re-trigger or RE_TRIGGER"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opts []flowclient.Option
			if test.option != nil {
				opts = append(opts, test.option)
			}
			_, err := flowclient.New(test.org, test.key, &tokens{}, opts...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want …%s…", err, test.want)
			}
			checkNoSecret(t, err, "hush")
		})
	}
	if _, err := flowclient.New(org, apiKey, nil); err == nil {
		t.Error("a client without token source was made")
	}
	for _, address := range []string{"http://127.0.0.1:1", "http://127.1.2.3", "http://[::1]:1", "http://LOCALHOST:1", "https://x"} {
		if _, err := flowclient.New(org, apiKey, &tokens{}, flowclient.WithBaseURL(address)); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestReadsAreRepeated(t *testing.T) {
	t.Parallel()
	good := answer{status: http.StatusOK, body: `{"id":"` + runID + `"}`}
	tests := map[string]struct {
		answers  []answer
		requests int
		kind     flowclient.Kind // of the error, if any
	}{
		"first":              {[]answer{good}, 1, ""},
		"unavailable":        {[]answer{{status: 503}, {status: 500}, good}, 3, ""},
		"throttled":          {[]answer{{status: 429}, good}, 2, ""},
		"reset":              {[]answer{{fault: reset}, good}, 2, ""},
		"truncated":          {[]answer{{fault: truncated(200, `{"id":`)}, good}, 2, ""},
		"slow":               {[]answer{{fault: slowBody}, good}, 2, ""},
		"token, unavailable": {[]answer{{status: 401}, {status: 503}, {status: 503}, good}, 4, ""},
		"too often":          {[]answer{{status: 503}, {status: 503}, {status: 503}, good}, 3, flowclient.KindTransient},
		"refused twice":      {[]answer{{status: 401}, {status: 401}, good}, 2, flowclient.KindUnauthorized},
		"not found":          {[]answer{{status: 404}, good}, 1, flowclient.KindNotFound},
		"HTML":               {[]answer{{status: 200, body: "<html>"}, good}, 1, flowclient.KindMalformed},
		"too long":           {[]answer{{status: 200, body: strings.Repeat(" ", 9<<20)}, good}, 1, flowclient.KindTooLarge},
		"redirect":           {[]answer{{status: 302, header: map[string]string{"Location": "/"}}, good}, 1, flowclient.KindRejected},
		"long Retry-After":   {[]answer{{status: 429, header: map[string]string{"Retry-After": "31"}}, good}, 1, flowclient.KindThrottled},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &script{answers: test.answers}
				client := newBubbleClient(t, server, flowclient.WithMaxAttempts(3))
				run, err := client.Run(t.Context(), sandbox, runID)
				switch {
				case test.kind != "":
					if failed := failure(t, err); failed.Kind != test.kind || failed.Attempts != test.requests || failed.MayHaveTakenEffect() {
						t.Errorf("got %+v", failed)
					}
				case err != nil:
					t.Error(err)
				case run.ID != runID:
					t.Errorf("got %+v", run)
				}
				if server.count() != test.requests {
					t.Errorf("%d requests, want %d", server.count(), test.requests)
				}
			})
		})
	}
}

// TestCallWaitsWithinItsDeadline: On fake time: how long a call waits, and that it never
// waits past its deadline.
func TestCallWaitsWithinItsDeadline(t *testing.T) {
	t.Parallel()
	const good = `{"id":"` + runID + `"}`
	throttled := answer{status: 429, header: map[string]string{"Retry-After": "7"}}
	tests := map[string]struct {
		answers []answer
		limit   time.Duration // of the context
		took    time.Duration
		kind    flowclient.Kind
	}{
		"backoff": {
			answers: []answer{{status: 503}, {status: 503}, {status: 200, body: good}}, limit: time.Minute, took: 3 * time.Second,
		},
		"Retry-After": {
			answers: []answer{throttled, {status: 200, body: good}}, limit: time.Minute, took: 7 * time.Second,
		},
		"Retry-After past the deadline": {
			answers: []answer{throttled}, limit: 7 * time.Second, kind: flowclient.KindThrottled,
		},
		"backoff past the deadline": {
			answers: []answer{{status: 503}}, limit: 2500 * time.Millisecond, took: time.Second, kind: flowclient.KindTransient,
		},
		"hang until the deadline": {
			answers: []answer{{fault: hang}}, limit: 12 * time.Second, took: 12 * time.Second, kind: flowclient.KindTransient,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := newBubbleClient(t, &script{answers: test.answers}, flowclient.WithCallTimeout(10*time.Second),
					flowclient.WithBackoff(func(retry int) time.Duration { return time.Duration(retry) * time.Second }))
				ctx, cancel := context.WithTimeout(t.Context(), test.limit)
				defer cancel()
				start := time.Now()
				_, err := client.Run(ctx, sandbox, runID)
				if took := time.Since(start); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				if test.kind == "" && err != nil || test.kind != "" && !errors.Is(err, test.kind) {
					t.Errorf("got %v, want %v", err, test.kind)
				}
			})
		})
	}
}

func TestCanceledWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newBubbleClient(t, &script{answers: []answer{{status: 503}}},
			flowclient.WithBackoff(func(int) time.Duration { return 10 * time.Second }))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		start := time.Now()
		_, err := client.Run(ctx, sandbox, runID)
		if took := time.Since(start); took != 3*time.Second || failure(t, err).Status != 503 {
			t.Errorf("got %v after %v, want the last answer after 3s", err, took)
		}
	})
}

func TestDefaultBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		link := newNetwork(t, &script{answers: []answer{{status: 503}}})
		client, err := flowclient.New(org, apiKey, &tokens{left: []string{oneToken}},
			flowclient.WithBaseURL("http://localhost"), flowclient.WithHTTPClient(link.client), flowclient.WithMaxAttempts(20))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err = client.Run(t.Context(), sandbox, runID); !errors.Is(err, flowclient.KindTransient) {
			t.Fatal(err)
		}
		// 0.2, 0.4 … 3.2 and then 14 times 5 seconds; or the half of all that.
		const most = 6200*time.Millisecond + 14*5*time.Second
		if took := time.Since(start); took < most/2 || took > most {
			t.Errorf("20 attempts took %v, want %v to %v", took, most/2, most)
		}
	})
}

func TestRedirectCarriesNoCredentials(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(elsewhere.Close)
	custom := &http.Client{Transport: new(http.Transport)}
	t.Cleanup(custom.CloseIdleConnections)
	for _, status := range []int{301, 302, 303, 307, 308} {
		handler := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) }
		client := newClient(t, handler, flowclient.WithHTTPClient(custom))
		if _, err := client.Retrigger(t.Context(), sandbox, runID); !errors.Is(err, flowclient.KindRejected) {
			t.Errorf("%d: got %v", status, err)
		}
		if _, err := client.Run(t.Context(), sandbox, runID); !errors.Is(err, flowclient.KindRejected) {
			t.Errorf("%d: got %v", status, err)
		}
		ims := newIMS(t, handler, flowclient.WithHTTPClient(custom))
		if _, err := ims.Token(t.Context()); !errors.Is(err, flowclient.KindMalformed) {
			t.Errorf("%d: got %v", status, err)
		}
	}
	if reached.Load() != 0 {
		t.Errorf("%d redirects were followed", reached.Load())
	}
	if custom.CheckRedirect != nil {
		t.Error("the caller's client was changed")
	}
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	answers := &script{answers: []answer{
		{status: 200, body: `{"id":"x"}`},
		{status: 404, body: strings.Repeat("x", 100<<10)}, // more than is read of an error, less than is drained
		{status: 409, body: `{}`},
		{status: 200, body: `{"id":"x"}` + strings.Repeat("\n", 64<<10)},
	}}
	server := httptest.NewUnstartedServer(answers)
	var conns atomic.Int32
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	// No HTTP client: this is the default transport.
	client, err := flowclient.New(org, apiKey, &tokens{left: []string{oneToken}}, flowclient.WithBaseURL(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		_, _ = client.Run(t.Context(), sandbox, runID)
	}
	if answers.count() != 10 || conns.Load() != 1 {
		t.Errorf("%d requests on %d connections, want 10 on 1", answers.count(), conns.Load())
	}
}

// brokenSource is a TokenSource of somebody else.
type brokenSource struct {
	token string
	err   error
}

func (s brokenSource) Token(context.Context) (string, error) { return s.token, s.err }

func (brokenSource) Invalidate(string) {}

func TestTokenSourceFails(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	cause := errors.New("broken")
	tests := map[string]struct {
		source brokenSource
		kind   flowclient.Kind
	}{
		"error":      {brokenSource{err: cause}, flowclient.KindTransient},
		"empty":      {brokenSource{}, flowclient.KindMalformed},
		"line break": {brokenSource{token: "a\r\nb"}, flowclient.KindMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := clientOf(t, server, test.source)
			_, err := client.Retrigger(t.Context(), sandbox, runID)
			for _, err := range []error{err, client.Authorize(t.Context())} {
				if failed := failure(t, err); failed.Op != flowclient.OpToken || failed.Kind != test.kind || !errors.Is(err, test.source.err) && test.source.err != nil {
					t.Errorf("got %+v", failed)
				}
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  flowclient.Error
		want string
	}{
		{
			flowclient.Error{Op: flowclient.OpRetrigger, Resource: "abc", Kind: flowclient.KindRejected, Status: 409, Code: "FLOW-9434-400", Message: "not failed", RequestID: "r", Attempts: 1},
			`retrigger run "abc": HTTP 409 rejected: FLOW-9434-400: not failed (request-id r, attempts 1)`,
		},
		{
			flowclient.Error{Op: flowclient.OpRun, Resource: "abc", Kind: flowclient.KindNotFound, Status: 404, Code: "FLOW-2100-404", Message: "no such sandbox"},
			`get run "abc": HTTP 404 not found: FLOW-2100-404: no such sandbox. Next step: Correct the sandbox's name in the request, in the secret or in DEFAULT_SANDBOX; names are in lower case.`,
		},
		{
			flowclient.Error{Op: flowclient.OpToken, Kind: flowclient.KindUnauthorized, Status: 400, Code: "invalid_grant", RequestID: "d-1"},
			`fetch token: IMS refused the credential: HTTP 400 invalid_grant (request-id d-1). Next step: Use an OAuth Server-to-Server credential.`,
		},
		{
			flowclient.Error{Op: flowclient.OpToken, Kind: flowclient.KindThrottled, Status: 429, RetryAfter: time.Minute, Attempts: 1},
			`fetch token: HTTP 429 throttled (retry after 1m0s, attempts 1)`,
		},
		{
			flowclient.Error{Op: flowclient.OpRuns, Kind: flowclient.KindTransient, Err: fmt.Errorf("dial: %w", context.DeadlineExceeded)},
			`list runs: transient: dial: context deadline exceeded`,
		},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}
