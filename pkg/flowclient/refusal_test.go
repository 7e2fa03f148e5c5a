package flowclient_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/pkg/aepcodes"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// TestRefusalHasTheKindThatTheCatalogNames has for each kind of the catalog some codes, in
// Adobe's families, as answers to a re-trigger and to a read.
func TestRefusalHasTheKindThatTheCatalogNames(t *testing.T) {
	t.Parallel()
	gateway := func(code, text string) string { return fmt.Sprintf(`{"error_code":%q,"message":%q}`, code, text) }
	flow := func(code, text string) string {
		return fmt.Sprintf(`{"type":"https://ns.adobe.com/aep/errors/%s","title":"Title","report":{"detailed-message":%q}}`, code, text)
	}
	const (
		unauthorized = flowclient.KindUnauthorized
		forbidden    = flowclient.KindForbidden
		rejected     = flowclient.KindRejected
		notFound     = flowclient.KindNotFound
		notYet       = flowclient.KindNotYet
		transient    = flowclient.KindTransient
		unknown      = flowclient.KindUnknownOutcome
	)
	for name, test := range map[string]struct {
		status         int
		body           string
		retrigger, get flowclient.Kind
		reason         aepcodes.Reason // of the re-trigger
	}{
		"key":                      {403, gateway("403003", "Api Key is invalid"), unauthorized, unauthorized, aepcodes.CredentialsRefused},
		"profile":                  {403, gateway("403025", "Profile is not valid"), unauthorized, unauthorized, aepcodes.CredentialsRefused},
		"other profile":            {403, gateway("403023", "Profile is not valid"), unauthorized, unauthorized, aepcodes.CredentialsRefused},
		"unknown, client id":       {403, gateway("403201", "Client ID not allowed to call this service"), unauthorized, unauthorized, aepcodes.CredentialsRefused},
		"unknown, token":           {403, gateway("403055", "The access token was revoked"), unauthorized, unauthorized, aepcodes.CredentialsRefused},
		"within an object":         {403, `{"error":{"code":"Forbidden","message":"Client ID is invalid","details":{"error_code":"403003"}}}`, unauthorized, unauthorized, aepcodes.CredentialsRefused},
		"no code":                  {403, `{"message":"Api Key is invalid"}`, unauthorized, unauthorized, aepcodes.CredentialsRefused},
		"unknown, something else":  {403, gateway("403777", "Access denied"), forbidden, forbidden, ""},
		"403 in HTML":              {403, "<html>Forbidden</html>", forbidden, forbidden, ""},
		"sources' user":            {401, flow("1001-401", "The user is unauthorized"), unauthorized, unauthorized, aepcodes.CredentialsRefused},
		"org":                      {401, flow("FLOW-2000-401", "no access"), unauthorized, unauthorized, aepcodes.CredentialsRefused},
		"empty token":              {400, flow("FLOW-2114-400", "Empty token"), unauthorized, unauthorized, aepcodes.CredentialsRefused},
		"permission":               {403, flow("FLOW-2120-403", "insufficient permissions; the user token …"), forbidden, forbidden, aepcodes.Forbidden},
		"sources' permission":      {403, flow("1606-403", "forbidden"), forbidden, forbidden, aepcodes.Forbidden},
		"not yet":                  {400, flow("1387-400", "invalid state"), notYet, rejected, aepcodes.StateNotYet},
		"disabled":                 {400, flow("1388-400", "not enabled"), rejected, rejected, aepcodes.FlowDisabled},
		"unsupported":              {400, flow("FLOW-1436-400", "unsupported"), rejected, rejected, aepcodes.NotRetryable},
		"sandbox":                  {404, flow("FLOW-2103-404", "not found"), notFound, notFound, aepcodes.SandboxNotFound},
		"run":                      {404, flow("1602-404", "not found"), notFound, notFound, aepcodes.RunNotFound},
		"nothing was done":         {500, flow("FLOW-2107-500", "sandbox"), transient, transient, ""},
		"it may have begun":        {500, flow("FLOW-1102-500", "internal"), unknown, transient, ""},
		"an external service":      {500, flow("FLOW-2200-500", "catalog"), unknown, transient, ""},
		"a code that lies":         {503, flow("FLOW-2107-500", "sandbox"), unknown, transient, ""},
		"a 4xx code with a 5xx":    {502, flow("FLOW-1388-400", "not enabled"), unknown, transient, ""},
		"a time-out with its code": {408, flow("1006-408", "time-out"), unknown, transient, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, (&script{answers: []answer{{status: test.status, body: test.body}}}).ServeHTTP)
			_, err := client.Retrigger(t.Context(), sandbox, runID)
			failed := failure(t, err)
			entry, _ := failed.Catalog()
			if failed.Kind != test.retrigger || entry.Reason != test.reason {
				t.Errorf("re-trigger: got %q, %q, want %q, %q", failed.Kind, entry.Reason, test.retrigger, test.reason)
			}
			if step := failed.NextStep(); step != entry.NextStep || !strings.HasSuffix(err.Error(), step) || len(step) > 240 {
				t.Errorf("next step %q of %v", step, err)
			}
			if want := map[bool]int{true: 2, false: 1}[test.retrigger == unauthorized]; failed.Attempts != want && test.retrigger != transient {
				t.Errorf("%d attempts, want %d", failed.Attempts, want)
			}
			if _, err := client.Run(t.Context(), sandbox, runID); failure(t, err).Kind != test.get {
				t.Errorf("read: got %v, want %q", err, test.get)
			}
		})
	}
}

func TestRetriggerThatAdobeCouldNotBeginIsSentAgain(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"2102", "2104", "2107", "2108", "2116", "2117"} {
		server := &script{answers: []answer{{status: 500, body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-` + code + `-500"}`}, {status: 200, body: made}}}
		if _, err := newClient(t, server.ServeHTTP).Retrigger(t.Context(), sandbox, runID); err != nil || server.count() != 2 {
			t.Errorf("%s: got %v after %d requests", code, err, server.count())
		}
	}
}

// TestRefusalOfIMSHasItsCodeWordsAndNextStep: The error has the code, words, status and
// debug id of IMS, and a next step where the code is known.
func TestRefusalOfIMSHasItsCodeWordsAndNextStep(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status              int
		body                string
		code, message, step string
	}{
		"scope":             {400, `{"error":"invalid_scope","error_description":"The requested scope is not assigned to this client"}`, "invalid_scope", "The requested scope is not assigned to this client", "Copy the scopes"},
		"no description":    {400, `{"error":"unauthorized_client"}`, "unauthorized_client", "", "JWT"},
		"secret":            {401, `{"error_description":"invalid client_secret parameter","error":"invalid_client"}`, "invalid_client", "invalid client_secret parameter", "client secret of the credential"},
		"client id":         {400, `{"error":"invalid_client","error_description":"invalid client_id parameter"}`, "invalid_client", "invalid client_id parameter", "client_id"},
		"error is object":   {400, `{"error":{"code":"invalid_scope","message":"No such scope"}}`, "invalid_scope", "No such scope", "Copy the scopes"},
		"list of objects":   {400, `{"errors":[{"code":"invalid_client","message":"bad client"},{"message":"and more"}]}`, "invalid_client", "bad client; and more", "client_secret"},
		"list of texts":     {403, `{"errors":["access_denied","The project is suspended"]}`, "access_denied", "The project is suspended", "suspended"},
		"other field names": {400, `{"errorCode":"invalid_scope","errorMessage":"meta scopes","x":[1]}`, "invalid_scope", "meta scopes", "Copy the scopes"},
		"unknown code":      {400, `{"error":"ride_AdobeID_acct_terms","error_description":"terms"}`, "ride_AdobeID_acct_terms", "terms", ""},
		"a number in it":    {400, `{"error":"invalid_scope","error_description":"Scope refused, error code: 40013"}`, "invalid_scope", "Scope refused, error code: 40013", "Copy the scopes"},
		"HTTP 200":          {200, `{"error":"invalid_client","error_description":"invalid client_secret parameter"}`, "invalid_client", "invalid client_secret parameter", "client secret of the credential"},
		"deeper, HTTP 200":  {200, `{"error":{"code":"invalid_scope","message":"No such scope"}}`, "invalid_scope", "No such scope", "Copy the scopes"},
		"unknown, HTTP 200": {200, `{"error":"odd","error_description":"words of IMS"}`, "odd", "words of IMS", ""},
		"no JSON":           {403, `<html>Blocked</html>`, "", "<html>Blocked</html>", ""},
		"nothing":           {401, ``, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ims := newIMS(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Debug-Id", "debug-17")
				w.Header().Set("X-Request-Id", "request-4")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			_, err := ims.Token(t.Context())
			failed := failure(t, err)
			if failed.Kind != flowclient.KindUnauthorized || failed.Status != test.status || failed.Code != test.code || failed.Message != test.message || failed.RequestID != "debug-17" {
				t.Errorf("got %+v", failed)
			}
			begin := strings.TrimSuffix(fmt.Sprintf("fetch token: IMS refused the credential: HTTP %d %s", test.status, test.code), " ")
			if text := err.Error(); !strings.HasPrefix(text, begin) || !strings.Contains(text, test.message) || !strings.Contains(text, "(request-id debug-17, attempts 1)") {
				t.Errorf("got %s", text)
			}
			if step := failed.NextStep(); !strings.Contains(step, test.step) || (step == "") != (test.step == "") {
				t.Errorf("next step %q, want …%s…", step, test.step)
			}
		})
	}
}

func TestIMSThatIsUnavailableRefusesNoCredential(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		kind   flowclient.Kind
	}{
		"internal":          {500, `{"error":"internal_error","error_description":"Please try again later"}`, flowclient.KindTransient},
		"a code that lies":  {503, `{"error":"invalid_client"}`, flowclient.KindTransient},
		"unavailable, 400":  {400, `{"error":"temporarily_unavailable"}`, flowclient.KindTransient},
		"throttled":         {429, `{"error":"slow_down"}`, flowclient.KindThrottled},
		"unavailable, 200":  {200, `{"error":"server_error"}`, flowclient.KindTransient},
		"throttled, a code": {429, `{"error":"invalid_client"}`, flowclient.KindThrottled},
	} {
		_, err := newIMS(t, (&script{answers: []answer{{status: test.status, body: test.body}}}).ServeHTTP, flowclient.WithMaxAttempts(2)).Token(t.Context())
		if !errors.Is(err, test.kind) {
			t.Errorf("%s: got %v, want %q", name, err, test.kind)
		}
	}
}

// TestSecretThatIMSSendsBackIsRedacted has the ways in which a server may send back the
// form of a token request.
func TestSecretThatIMSSendsBackIsRedacted(t *testing.T) {
	t.Parallel()
	const hush = "p8e-Ab+cd/Ef=gh_ij-kl"
	inJSON := func(field string, text string) string {
		raw, _ := json.Marshal(map[string]string{"error": "invalid_client", field: text})
		return string(raw)
	}
	for name, body := range map[string]string{
		"as it is":           "bad request: client_secret=" + hush,
		"as it was sent":     "bad request: client_secret=" + url.QueryEscape(hush),
		"lower hex":          "bad request: client_secret=" + strings.ToLower(url.QueryEscape("+")) + url.QueryEscape(hush),
		"path escape":        "bad request: client_secret=" + url.PathEscape(hush),
		"JSON with \\/":      `["client_secret=` + strings.ReplaceAll(hush, "/", `\/`) + `"]`,
		"JSON with \\u002b":  `["client_secret=` + strings.ReplaceAll(hush, "+", `\u002b`) + `"]`,
		"a line break in it": "client_secret=" + hush[:10] + "\n" + hush[10:],
		"masked at the end":  "client_secret=" + hush[:16] + "*****",
		"in a description":   inJSON("error_description", "client_secret="+url.QueryEscape(hush)),
		"twice encoded":      inJSON("error_description", "client_secret="+url.QueryEscape(url.QueryEscape(hush))),
		"HTML":               "<p>client_secret=" + strings.NewReplacer("+", "&#43;", "/", "&#x2F;", "=", "&equals;").Replace(hush) + "</p>",
	} {
		ims, err := flowclient.NewIMS(flowclient.Credentials{ClientID: "c", ClientSecret: hush, Scopes: []string{"openid"}}, flowclient.WithIMSURL("http://127.0.0.1"),
			flowclient.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 400, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
			})}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = ims.Token(t.Context())
		if text := err.Error(); !strings.Contains(text, "[redacted]") || strings.Contains(text, "p8e-Ab") || strings.Contains(text, "gh_ij-kl") {
			t.Errorf("%s: got %s", name, text)
		}
	}
}
