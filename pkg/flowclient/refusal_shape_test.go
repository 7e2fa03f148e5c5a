package flowclient_test

import (
	"net/http"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/pkg/aepcodes"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// TestCodeIsFoundWhereverAnAnswerHasIt has codes deep in JSON, in lists, in JSON within a
// text and in bodies that are no JSON, beside words and HTTP statuses that are no codes.
func TestCodeIsFoundWhereverAnAnswerHasIt(t *testing.T) {
	t.Parallel()
	const (
		disabled = aepcodes.FlowDisabled
		refused  = aepcodes.CredentialsRefused
	)
	for body, want := range map[string]struct {
		status int
		code   string
		reason aepcodes.Reason
	}{
		`{"status":400,"errors":{"400":[{"code":"1388","message":"off"}]}}`:                              {400, "1388", disabled},
		`{"error-chain":[{"serviceId":"SOURCES","errorCode":"1388-400","invokingServiceId":"GATEWAY"}]}`: {400, "1388-400", disabled},
		`{"title":"Bad","report":{"errorCode":"1388-400","detailed-message":"off"}}`:                     {400, "1388-400", disabled},
		`{"type":"FLOW-1388-400","title":"Bad"}`:                                                         {400, "FLOW-1388-400", disabled},
		`{"type":"urn:adobe:aep:errors:FLOW-1388-400"}`:                                                  {400, "FLOW-1388-400", disabled},
		`[{"code":"1388-400","message":"off"}]`:                                                          {400, "1388-400", disabled},
		`"{\"errorCode\":\"1388-400\",\"message\":\"off\"}"`:                                             {400, "1388-400", disabled},
		"\ufeff{\"errorCode\":\"1388-400\"}":                                                             {400, "1388-400", disabled},
		`{"message":"Failed to create flow run. Error code: 1388-400. Off"}`:                             {400, "1388-400", disabled},
		`{"message":"{\"errorCode\":\"1388-400\",\"message\":\"off\"}"}`:                                 {400, "1388-400", disabled},
		`{"error":"Bad Request","message":"code=FLOW-1388-400"}`:                                         {400, "FLOW-1388-400", disabled},
		`{"title":"FLOW-1388-400","status":400,"detail":"Off"}`:                                          {400, "FLOW-1388-400", disabled},
		`{"message":"[SOURCES-1388-400] off"}`:                                                           {400, "SOURCES-1388-400", disabled},
		`{"message":"1388-400: off, and before it CONNECTOR-1001-500"}`:                                  {400, "1388-400", disabled},
		`["1388-400"]`: {400, "1388-400", disabled},
		`{"message":"The provider said 1388-404 to run 0f3a1388-400a-4b1d"}`: {400, "", ""},

		`<?xml version="1.0"?><error><error_code>403003</error_code><message>Clé non valide</message></error>`: {403, "403003", refused},
		`<html><body>Error code 403025</body></html>`:                                                          {403, "403025", refused},
		`403003`: {403, "403003", refused},
		`[{"error_code":"403025","message":"?"}]`:                                    {403, "403025", refused},
		`{"code":403,"error":{"error_code":"403023","message":"?"}}`:                 {403, "403023", refused},
		`{"httpStatus":403,"error":"Forbidden","message":"Profile is not valid"}`:    {403, "Forbidden", refused},
		`{"code":"403","message":"Client ID is invalid"}`:                            {403, "403", refused},
		`{"fault":{"faultstring":"?","detail":{"errorcode":"403000"}}}`:              {403, "403000", refused},
		`{"error":"Forbidden","message":"You may not do this to the run, see 4711"}`: {403, "Forbidden", ""},

		`{"message":"The requested action is not supported for this source type"}`: {400, "", aepcodes.NotRetryable},
		`{"error":"Bad Request","message":"Unsupported operation"}`:                {400, "Bad Request", aepcodes.NotRetryable},
		`{"errorCode":"9999-400","message":"The action is not supported"}`:         {400, "9999-400", ""}, // the status decides on a code that is not known
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(want.status)
				_, _ = w.Write([]byte(body))
			})
			_, err := client.Retrigger(t.Context(), sandbox, runID)
			failed := failure(t, err)
			if entry, _ := failed.Catalog(); failed.Code != want.code || entry.Reason != want.reason {
				t.Errorf("got code %q, reason %q, want %q, %q (%v)", failed.Code, entry.Reason, want.code, want.reason, err)
			}
		})
	}
}

// TestNoTextProvesThatA5xxDidNothing: 2102 means that Adobe did nothing, but a page of HTML
// may have the number for any reason.
func TestNoTextProvesThatA5xxDidNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`<html>Error code: 2102</html>`, `2102`, `{"message":"code 2102"}`} {
		server := &script{answers: []answer{{status: 500, body: body}, {status: 200, body: made}}}
		_, err := newClient(t, server.ServeHTTP).Retrigger(t.Context(), sandbox, runID)
		if failed := failure(t, err); failed.Kind != flowclient.KindUnknownOutcome || server.count() != 1 {
			t.Errorf("%s: got %v after %d requests", body, err, server.count())
		}
	}
}
