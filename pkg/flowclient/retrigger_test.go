package flowclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

func TestRetriggerSendsWhatAdobeDocuments(t *testing.T) {
	t.Parallel()
	const oddID = "a b%2F?#é"
	type request struct {
		Method, URI, Body string
		Header            map[string]string
	}
	var got request
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = request{Method: r.Method, URI: r.RequestURI, Body: string(body), Header: map[string]string{}}
		for name := range r.Header {
			got.Header[name] = r.Header.Get(name)
		}
		_, _ = io.WriteString(w, made)
	}, flowclient.WithUserAgent("caller/1"), flowclient.WithOp("RE_TRIGGER"))

	id := strings.ReplaceAll(oddID, " ", "+")
	answer, err := client.Retrigger(t.Context(), sandbox, id)
	if err != nil {
		t.Fatal(err)
	}
	if want := (flowclient.Retriggered{RunID: newID, ETag: `"1100c53e"`}); answer != want {
		t.Errorf("got %+v, want %+v", answer, want)
	}
	want := request{
		Method: http.MethodPost, URI: "/base/runs/a+b%252F%3F%23%C3%A9/action?op=RE_TRIGGER",
		Header: map[string]string{
			"Authorization": "Bearer " + oneToken, "X-Api-Key": apiKey, "X-Gw-Ims-Org-Id": org, "X-Sandbox-Name": sandbox,
			"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "gzip", "Content-Length": "0",
			"User-Agent": "caller/1 aep-flowclient/0.1",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestRetriggerRefusesBadInputUnsent(t *testing.T) {
	t.Parallel()
	server := &script{answers: []answer{{status: http.StatusOK, body: made}}}
	client := newClient(t, server.ServeHTTP)
	tests := map[string]struct{ sandbox, id string }{
		"empty id":        {sandbox, ""},
		"overlong id":     {sandbox, strings.Repeat("x", flowclient.MaxIDLength+1)},
		"huge id":         {sandbox, strings.Repeat("x", 1<<20)},
		"slash":           {sandbox, "a/b"},
		"dot":             {sandbox, "."},
		"dots":            {sandbox, ".."},
		"control":         {sandbox, "a\x00b"},
		"line break":      {sandbox, "a\r\nb"},
		"white space":     {sandbox, "a b"},
		"not UTF-8":       {sandbox, "a\xff"},
		"empty sandbox":   {"", runID},
		"sandbox control": {"a\r\nX-Other: b", runID},
		"long sandbox":    {strings.Repeat("x", flowclient.MaxIDLength+1), runID},
	}
	for name, test := range tests {
		_, err := client.Retrigger(t.Context(), test.sandbox, test.id)
		failed := failure(t, err)
		if failed.Kind != flowclient.KindRejected || failed.Attempts != 0 || failed.Status != 0 || failed.MayHaveTakenEffect() {
			t.Errorf("%s: got %+v", name, failed)
		}
		if text := err.Error(); len(text) > 300 || strings.ContainsAny(text, "\r\n\x00") {
			t.Errorf("%s: error is not clean: %q", name, text)
		}
		_, runErr := client.Run(t.Context(), test.sandbox, test.id)
		_, flowErr := client.Flow(t.Context(), test.sandbox, test.id)
		if !errors.Is(runErr, flowclient.KindRejected) || !errors.Is(flowErr, flowclient.KindRejected) {
			t.Errorf("%s: reading: got %v and %v", name, runErr, flowErr)
		}
	}
	if server.count() != 0 {
		t.Errorf("%d requests were sent", server.count())
	}
}

// TestRetriggerAnswers has each answer once: what becomes of it, and that the
// request was sent once only, or twice after a refused token.
func TestRetriggerAnswers(t *testing.T) {
	t.Parallel()
	flowError := func(code, rest string) string {
		return `{"type":"https://ns.adobe.com/aep/errors/` + code + `","title":"Title"` + rest + `}`
	}
	tests := map[string]struct {
		answer   answer
		want     flowclient.Error
		requests int // 0 means 1
	}{
		"gateway: token invalid": {
			answer:   answer{status: 401, header: map[string]string{"x-request-id": "req-1"}, body: `{"error_code":"401013","message":"Oauth token is not valid"}`},
			want:     flowclient.Error{Kind: flowclient.KindUnauthorized, Code: "401013", Message: "Oauth token is not valid", RequestID: "req-1"},
			requests: 2,
		},
		"gateway: token missing": {
			answer:   answer{status: 403, body: `{"error_code":"403010","message":"Oauth token is missing"}`},
			want:     flowclient.Error{Kind: flowclient.KindUnauthorized, Code: "403010", Message: "Oauth token is missing"},
			requests: 2,
		},
		"gateway: code as number": {
			answer:   answer{status: 403, body: `{"error_code":403010,"message":"Oauth token is missing"}`},
			want:     flowclient.Error{Kind: flowclient.KindUnauthorized, Code: "403010", Message: "Oauth token is missing"},
			requests: 2,
		},
		"gateway: api key": {
			answer:   answer{status: 403, body: `{"error_code":"403000","message":"Api Key is required"}`},
			want:     flowclient.Error{Kind: flowclient.KindUnauthorized, Code: "403000", Message: "Api Key is required"},
			requests: 2,
		},
		"gateway: header missing": {
			answer: answer{status: 400, body: `{"error_code":"400003","message":"header"}`},
			want:   flowclient.Error{Kind: flowclient.KindRejected, Code: "400003", Message: "header"},
		},
		"gateway: too many, seconds": {
			answer: answer{status: 429, header: map[string]string{"Retry-After": "7"}, body: `{"error_code":"429050","message":"Too many requests"}`},
			want:   flowclient.Error{Kind: flowclient.KindThrottled, Code: "429050", Message: "Too many requests", RetryAfter: 7 * time.Second},
		},
		"too many, date": {
			answer: answer{status: 429, header: map[string]string{"Retry-After": "Thu, 01 Jan 2026 00:01:30 GMT"}},
			want:   flowclient.Error{Kind: flowclient.KindThrottled, RetryAfter: 90 * time.Second},
		},
		"too many, for years": {
			answer: answer{status: 429, header: map[string]string{"Retry-After": "99999999999999999999999"}},
			want:   flowclient.Error{Kind: flowclient.KindThrottled, RetryAfter: flowclient.MaxRetryAfter},
		},
		"too many, in the past": {
			answer: answer{status: 429, header: map[string]string{"Retry-After": "Thu, 01 Jan 2015 00:00:00 GMT"}},
			want:   flowclient.Error{Kind: flowclient.KindThrottled},
		},
		"too many, nonsense": {
			answer: answer{status: 429, header: map[string]string{"Retry-After": "soon"}},
			want:   flowclient.Error{Kind: flowclient.KindThrottled},
		},
		"Flow Service: not found": {
			answer: answer{status: 404, body: flowError("FLOW-1439-404", `,"status":404,"report":{"detailed-message":"No run.","request-id":"req-2"},"errorMessage":"other","errorDetails":"host.internal"`)},
			want:   flowclient.Error{Kind: flowclient.KindNotFound, Code: "FLOW-1439-404", Message: "Title: No run.", RequestID: "req-2"},
		},
		"Flow Service: not found as 400": {
			answer: answer{status: 400, body: flowError("FLOW-1439-400", `,"errorMessage":"No run."`)},
			want:   flowclient.Error{Kind: flowclient.KindNotFound, Code: "FLOW-1439-400", Message: "Title: No run."},
		},
		"Flow Service: unsupported, in both spellings": {
			answer:   answer{status: 400, body: flowError("FLOW-1434-400", `,"errorMessage":"Title is bad"`)},
			want:     flowclient.Error{Kind: flowclient.KindRejected, Code: "FLOW-1434-400", Message: "Title is bad"},
			requests: 2,
		},
		"Flow Service: conflict": {
			answer: answer{status: 409, body: flowError("FLOW-1434-400", "")},
			want:   flowclient.Error{Kind: flowclient.KindRejected, Code: "FLOW-1434-400", Message: "Title"},
		},
		"Flow Service: etag": {
			answer: answer{status: 412, body: flowError("FLOW-1404-412", "")},
			want:   flowclient.Error{Kind: flowclient.KindRejected, Code: "FLOW-1404-412", Message: "Title"},
		},
		"Flow Service: no right to runs": {
			answer: answer{status: 400, body: flowError("FLOW-1427-400", "")},
			want:   flowclient.Error{Kind: flowclient.KindForbidden, Code: "FLOW-1427-400", Message: "Title"},
		},
		"Flow Service: permission": {
			answer: answer{status: 403, body: flowError("FLOW-2118-403", "")},
			want:   flowclient.Error{Kind: flowclient.KindForbidden, Code: "FLOW-2118-403", Message: "Title"},
		},
		"Flow Service: token as 400": {
			answer:   answer{status: 400, body: flowError("FLOW-2115-400", "")},
			want:     flowclient.Error{Kind: flowclient.KindUnauthorized, Code: "FLOW-2115-400", Message: "Title"},
			requests: 2,
		},
		"Flow Service: internal": {
			answer: answer{status: 500, body: flowError("FLOW-1102-500", "")},
			want:   flowclient.Error{Kind: flowclient.KindUnknownOutcome, Code: "FLOW-1102-500", Message: "Title"},
		},
		"unavailable": {
			answer: answer{status: 503, header: map[string]string{"Retry-After": "3"}},
			want:   flowclient.Error{Kind: flowclient.KindUnknownOutcome, RetryAfter: 3 * time.Second},
		},
		"request time-out": {
			answer: answer{status: 408},
			want:   flowclient.Error{Kind: flowclient.KindUnknownOutcome},
		},
		"HTML": {
			answer: answer{status: 502, body: "<html>\n\t<title>502\x07 Bad   Gateway</title>"},
			want:   flowclient.Error{Kind: flowclient.KindUnknownOutcome, Message: "<html> <title>502 Bad Gateway</title>"},
		},
		"JSON of another shape": {
			answer: answer{status: 400, body: `["?"]`},
			want:   flowclient.Error{Kind: flowclient.KindRejected, Message: `["?"]`},
		},
		"fields of other types": {
			answer: answer{status: 400, body: `{"type":5,"title":{},"report":[],"message":null}`},
			want:   flowclient.Error{Kind: flowclient.KindRejected, Code: "", Message: `{"type":5,"title":{},"report":[],"message":null}`},
		},
		"long message": {
			answer: answer{status: 400, body: `{"message":"` + strings.Repeat("é", 100_000) + `"}`},
			want:   flowclient.Error{Kind: flowclient.KindRejected, Message: `{"message":"` + strings.Repeat("é", 248) + "…"},
		},
		"truncated refusal": {
			answer: answer{fault: truncated(409, `{"message":"abc`)},
			want:   flowclient.Error{Kind: flowclient.KindRejected, Status: 409, Message: `{"message":"abc`},
		},
		"redirect": {
			answer: answer{status: 307, header: map[string]string{"Location": "https://elsewhere.invalid/"}},
			want:   flowclient.Error{Kind: flowclient.KindRejected, Message: "a redirect, which is not followed"},
		},
	}
	now := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &script{answers: []answer{test.answer}}
			client := newClient(t, server.ServeHTTP, flowclient.WithClock(func() time.Time { return now }))
			_, err := client.Retrigger(t.Context(), sandbox, runID)
			want := test.want
			want.Op, want.Resource, want.Attempts = flowclient.OpRetrigger, runID, max(test.requests, 1)
			if want.Status == 0 {
				want.Status = test.answer.status
			}
			if diff := cmp.Diff(&want, failure(t, err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if server.count() != want.Attempts {
				t.Errorf("%d requests, want %d", server.count(), want.Attempts)
			}
			if !errors.Is(err, want.Kind) || errors.Is(err, flowclient.KindTransient) {
				t.Errorf("errors.Is does not tell the kind of %v", err)
			}
			if got := failure(t, err).MayHaveTakenEffect(); got != (want.Kind == flowclient.KindUnknownOutcome) {
				t.Errorf("MayHaveTakenEffect() = %v", got)
			}
		})
	}
}

// TestRetriggerWithoutAnswerIsNotRepeated: After these faults the client can't know
// whether the run was re-triggered. None may lead to a second request.
func TestRetriggerWithoutAnswerIsNotRepeated(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer answer
		is     error // expected cause, if any
		status int
	}{
		"reset":          {answer: answer{fault: reset}},
		"no HTTP":        {answer: answer{fault: malformedHTTP("SSH-2.0-x\r\n\r\n")}},
		"hang":           {answer: answer{fault: hang}, is: context.DeadlineExceeded},
		"slow body":      {answer: answer{fault: slowBody}, is: context.DeadlineExceeded, status: 200},
		"truncated":      {answer: answer{fault: truncated(200, made)}, is: io.ErrUnexpectedEOF, status: 200},
		"cut JSON":       {answer: answer{status: 200, body: `{"id":"3f`}, status: 200},
		"no id":          {answer: answer{status: 200, body: `{"etag":"x"}`}, status: 200},
		"empty id":       {answer: answer{status: 200, body: `{"id":""}`}, status: 200},
		"unusable id":    {answer: answer{status: 200, body: `{"id":"a/../b"}`}, status: 200},
		"id of a number": {answer: answer{status: 200, body: `{"id":5}`}, status: 200},
		"null":           {answer: answer{status: 200, body: `null`}, status: 200},
		"list":           {answer: answer{status: 200, body: `[]`}, status: 200},
		"HTML":           {answer: answer{status: 200, body: `<html>`}, status: 200},
		"empty":          {answer: answer{status: 200}, status: 200},
		"no content":     {answer: answer{status: 204}, status: 204},
		"too long":       {answer: answer{status: 200, body: `{"id":"` + strings.Repeat("x", 9<<20) + `"}`}, status: 200},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &script{answers: []answer{test.answer}}
				client := newBubbleClient(t, server)
				_, err := client.Retrigger(t.Context(), sandbox, runID)
				failed := failure(t, err)
				if failed.Kind != flowclient.KindUnknownOutcome || !failed.MayHaveTakenEffect() || failed.Status != test.status || failed.Attempts != 1 {
					t.Errorf("got %+v", failed)
				}
				if test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("%v is not %v", err, test.is)
				}
				if failed.Err == nil {
					t.Error("there is no cause")
				}
				if server.count() != 1 {
					t.Errorf("%d requests, want 1", server.count())
				}
			})
		})
	}
}

func TestRetriggerHTTP2WithoutAnswer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	answers := &script{answers: []answer{
		{status: http.StatusOK, body: made},
		{fault: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{fault: func(w http.ResponseWriter, r *http.Request) { cancel(); hang(w, r) }},
	}}
	server := httptest.NewUnstartedServer(answers)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := clientOf(t, server, &tokens{left: []string{oneToken}})
	if _, err := client.Retrigger(ctx, sandbox, runID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := client.Retrigger(ctx, sandbox, runID); !errors.Is(err, flowclient.KindUnknownOutcome) {
			t.Errorf("got %v, want unknown outcome", err)
		}
	}
	if answers.count() != 3 {
		t.Errorf("%d requests, want 3", answers.count())
	}
}

func TestRetriggerIsRepeatedWhenItWasNotSent(t *testing.T) {
	t.Parallel()
	answers := &script{answers: []answer{{status: http.StatusOK, body: made}}}
	server := httptest.NewServer(answers)
	t.Cleanup(server.Close)
	var dials atomic.Int32
	transport := &http.Transport{DialContext: func(ctx context.Context, kind, address string) (net.Conn, error) {
		if dials.Add(1) < 3 {
			return nil, errors.New("no route")
		}
		return new(net.Dialer).DialContext(ctx, kind, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	client := clientOf(t, server, &tokens{left: []string{oneToken}}, flowclient.WithHTTPClient(&http.Client{Transport: transport}))
	answer, err := client.Retrigger(t.Context(), sandbox, runID)
	if err != nil || answer.RunID != newID {
		t.Fatalf("got %+v, %v", answer, err)
	}
	if dials.Load() != 3 || answers.count() != 1 {
		t.Errorf("%d dials, %d requests; want 3, 1", dials.Load(), answers.count())
	}
}

func TestRetriggerNotSent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	taken := "http://" + conn.LocalAddr().String() // no other program can begin to listen there
	oldTLS := httptest.NewUnstartedServer(http.NotFoundHandler())
	oldTLS.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	oldTLS.Config.ErrorLog = log.New(io.Discard, "", 0)
	oldTLS.StartTLS()
	t.Cleanup(oldTLS.Close)
	tests := map[string]struct{ url string }{
		"no listener":    {taken},
		"TLS before 1.2": {oldTLS.URL},
		"unknown host":   {"https://flow-service.invalid"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := flowclient.New(org, apiKey, &tokens{left: []string{oneToken}},
				flowclient.WithBaseURL(test.url), flowclient.WithBackoff(noWait), flowclient.WithMaxAttempts(3))
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Retrigger(t.Context(), sandbox, runID)
			failed := failure(t, err)
			if failed.Kind != flowclient.KindTransient || failed.MayHaveTakenEffect() || failed.Attempts != 3 || failed.Err == nil {
				t.Errorf("got %+v", failed)
			}
			if strings.Contains(err.Error(), "op=re-trigger") {
				t.Errorf("the error has the URL in it: %v", err)
			}
		})
	}
}

// roundTripper is a transport that reports no connections.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRetriggerDoesNotTrustATransportThatReportsNothing(t *testing.T) {
	t.Parallel()
	var calls int
	transport := roundTripper(func(*http.Request) (*http.Response, error) {
		calls++
		return nil, errors.New("broken")
	})
	client, err := flowclient.New(org, apiKey, &tokens{left: []string{oneToken}}, flowclient.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.Retrigger(t.Context(), sandbox, runID); !errors.Is(err, flowclient.KindUnknownOutcome) || calls != 1 {
		t.Errorf("got %v after %d calls, want unknown outcome after 1", err, calls)
	}
}

func TestRetriggerAfterRefusedToken(t *testing.T) {
	t.Parallel()
	var used []string
	client, source := clientWithTokens(t, func(w http.ResponseWriter, r *http.Request) {
		used = append(used, r.Header.Get("Authorization"))
		if len(used) == 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, made)
	}, "first", "second", "third")
	if _, err := client.Retrigger(t.Context(), sandbox, runID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Bearer first", "Bearer second"}, used); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"first"}, source.invalidated); diff != "" {
		t.Errorf("invalidated (-want +got):\n%s", diff)
	}
}

func TestRetriggerAfterRefusedTokenKeepsItsOtherLimits(t *testing.T) {
	t.Parallel()
	answers := &script{answers: []answer{{status: 401}, {fault: reset}}}
	client := newClient(t, answers.ServeHTTP)
	_, err := client.Retrigger(t.Context(), sandbox, runID)
	if failed := failure(t, err); failed.Kind != flowclient.KindUnknownOutcome || failed.Attempts != 2 || answers.count() != 2 {
		t.Errorf("got %+v after %d requests", failed, answers.count())
	}
}

func clientWithTokens(t *testing.T, handler http.HandlerFunc, all ...string) (*flowclient.Client, *tokens) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	source := &tokens{left: all}
	return clientOf(t, server, source), source
}

func TestCanceledBeforeSending(t *testing.T) {
	t.Parallel()
	answers := &script{answers: []answer{{status: http.StatusOK, body: made}}}
	client := newClient(t, answers.ServeHTTP)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.Retrigger(ctx, sandbox, runID)
	failed := failure(t, err)
	if failed.Kind != flowclient.KindTransient || failed.MayHaveTakenEffect() || failed.Attempts != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %+v", failed)
	}
	if answers.count() != 0 {
		t.Error("a request was sent")
	}
}

func TestDeadlineAfterSending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := &script{answers: []answer{{fault: hang}}}
		client := newBubbleClient(t, answers)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.Retrigger(ctx, sandbox, runID)
		if !failure(t, err).MayHaveTakenEffect() || !errors.Is(err, context.DeadlineExceeded) || answers.count() != 1 {
			t.Errorf("got %v after %d requests", err, answers.count())
		}
	})
}
