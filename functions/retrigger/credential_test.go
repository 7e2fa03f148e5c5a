package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestTheWordsOfARefusalAreInEveryAnswer asks with a credential that IMS or Adobe's
// gateway refuses: at once, while the refusal stands, and after its pause.
func TestTheWordsOfARefusalAreInEveryAnswer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault flowsim.Fault
		want  []string
	}{
		"invalid_scope": {
			flowsim.Fault{
				Op: flowsim.OpToken, Times: 99, Status: http.StatusBadRequest, Header: map[string]string{"X-Debug-Id": "debug-41"},
				Body: `{"error":"invalid_scope","error_description":"The requested scope is not assigned to this client"}`,
			},
			[]string{"IMS refused the credential of org " + worldOrg, "HTTP 400", "invalid_scope: The requested scope is not assigned", "debug-41", `secret "secret-W"`},
		},
		"unauthorized_client": {
			flowsim.Fault{Op: flowsim.OpToken, Times: 99, Status: http.StatusBadRequest, Body: `{"error":"unauthorized_client"}`},
			[]string{"IMS refused the credential of org " + worldOrg, "HTTP 400", "unauthorized_client"},
		},
		"invalid_client, with HTTP 200": {
			flowsim.Fault{Op: flowsim.OpToken, Times: 99, Body: `{"error":"invalid_client","error_description":"invalid client_secret parameter"}`},
			[]string{"IMS refused the credential of org " + worldOrg, "invalid_client: invalid client_secret parameter"},
		},
		"the token, at the gateway": {
			flowsim.Fault{
				Op: "", Times: 99, Status: http.StatusUnauthorized, Header: map[string]string{"X-Request-Id": "req-9"},
				Body: `{"error_code":"401013","message":"Oauth token is not valid"}`,
			},
			[]string{"Adobe's gateway refused the credential of org " + worldOrg, "HTTP 401", "401013: Oauth token is not valid", "req-9"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				root := w.Fail("f")
				w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":"p8e-hunter2","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg))
				w.Adobe.RotateSecret(worldOrg, "p8e-hunter2")
				for _, op := range []string{flowsim.OpRetrigger, flowsim.OpRun, flowsim.OpRuns, flowsim.OpFlow, flowsim.OpFlows} {
					fault := tt.fault
					if fault.Op == "" {
						fault.Op = op
					}
					w.Adobe.Inject(fault)
				}
				says := func(when, text string) {
					t.Helper()
					for _, want := range tt.want {
						if !strings.Contains(text, want) {
							t.Errorf("%s: %q lacks %q", when, text, want)
						}
					}
				}
				p := w.Start(-1, false)
				request := fmt.Sprintf(`{"runId":%q,"orgId":%q}`, root, worldOrg)
				for _, when := range []string{"at once", "while it stands", "after the pause"} {
					result := w.invoke(p, request).Results[0]
					if result.Outcome != retrigger.Deferred || result.Reason != retrigger.CredentialsRefused {
						t.Errorf("%s: the result is %+v", when, result)
					}
					says(when, result.Message)
					for _, payload := range []string{`{"sweep":{"orgId":"` + worldOrg + `","dryRun":true}}`, `{"sweep":{"orgId":"` + worldOrg + `"}}`} {
						answer := w.invoke(p, payload)
						if answer.Sweep == nil || answer.Sweep.State == sweep.Finished {
							t.Fatalf("%s: the answer to %s is %+v", when, payload, answer)
						}
						says(when+", "+payload, answer.Sweep.Error)
					}
					if when == "while it stands" {
						pass(time.Minute)
					}
				}
				if letters := w.AWS.Messages(w.Letters); len(letters) != 0 {
					t.Errorf("%d dead letters of a credential's fault", len(letters))
				}
			})
		})
	}
}

// TestAMessageSaysWhyTheCredentialIsRefused: what comes by the queue has the same words
// in its log record.
func TestAMessageSaysWhyTheCredentialIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Adobe.Inject(flowsim.Fault{
			Op: flowsim.OpToken, Times: 99, Status: http.StatusBadRequest, Body: `{"error":"invalid_client","error_description":"invalid client_secret parameter"}`,
		})
		root := w.Fail("f")
		w.Told(root)
		w.Poll(w.Start(-1, false))
		ends := w.Logs.Ends(root)
		if len(ends) == 0 {
			ends = w.Logs.Outcomes()
		}
		if len(ends) != 1 || ends[0].Reason != "credentials_refused" || !strings.Contains(ends[0].Detail, "IMS refused") || !strings.Contains(ends[0].Detail, "invalid_client") {
			t.Errorf("the records are %+v", ends)
		}
	})
}

// TestTheNextClientSecretTakesOver: a rotation that has not come to its end costs no
// message and no alarm.
func TestTheNextClientSecretTakesOver(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AWS.PutSecret("secret-W", fmt.Sprintf(
			`{"oauth_server_to_server":{"client_id":"client-W","client_secrets":["not-yet","neither","s"],"scopes":["openid"]},"ims_org_id":%q,"sandbox":"prod"}`, worldOrg,
		))
		root := w.Fail("f")
		w.Told(root)
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(root); n != 1 || w.Logs.Sum("credentials_refused") != 0 {
			t.Errorf("%d re-triggers, %d refused credentials", n, w.Logs.Sum("credentials_refused"))
		}
		if outcomes := w.outcomesOf(root); len(outcomes) != 1 || outcomes[0] != "retriggered" {
			t.Errorf("the outcomes are %v", outcomes)
		}
	})
}

// TestABadCredentialIsOneAlarmAndNoDeadLetterPerRun: runs wait until a person has mended
// the secret, and the log records name the field.
func TestABadCredentialIsOneAlarmAndNoDeadLetterPerRun(t *testing.T) {
	t.Parallel()
	const whole = `{"client_id":"client-W","client_secret":"s","org_id":"` + worldOrg + `","scopes":"openid","sandbox":"prod"}`
	for name, tt := range map[string]struct{ broken, want string }{
		"a sandbox's title": {strings.Replace(whole, `"prod"`, `"My Prod"`, 1), "field sandbox can't be the name of a sandbox"},
		"a trailing comma":  {strings.Replace(whole, `"prod"`, `"prod",`, 1), "is not valid JSON at line 1, column "},
		"a misspelled name": {strings.Replace(whole, "client_secret", "client_scret", 1), `field "client_scret" is there, "client_secret" is wanted`},
		"a JWT credential":  {strings.Replace(whole, `"scopes":"openid"`, `"private_key":"-----BEGIN"`, 1), "is a JWT credential"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.AWS.PutSecret("secret-W", tt.broken)
				var roots []string
				for range 3 {
					roots = append(roots, w.Fail("f"))
					w.Told(roots[len(roots)-1])
				}
				w.Poll(w.Start(-1, false))
				for _, one := range w.Logs.Outcomes() {
					if one.Reason != "credentials_unavailable" || !strings.Contains(one.Detail, tt.want) || !strings.Contains(one.Detail, `secret "secret-W"`) {
						t.Errorf("the record is %+v, want %q", one, tt.want)
					}
				}
				if letters := w.AWS.Messages(w.Letters); len(letters) != 0 || w.Logs.Sum("credentials_unavailable") == 0 {
					t.Errorf("%d dead letters, metric credentials_unavailable %d", len(letters), w.Logs.Sum("credentials_unavailable"))
				}
				w.AWS.PutSecret("secret-W", "\uFEFF"+whole)
				w.Drain(2 * time.Hour)
				for _, root := range roots {
					if w.Adobe.Retriggers(root) != 1 {
						t.Errorf("%s was re-triggered %d times after the secret was mended", root, w.Adobe.Retriggers(root))
					}
				}
			})
		})
	}
}

// TestACredentialThatIsRefusedForDaysCostsNoRun: whatever is asked for waits, one of
// the runs after a re-trigger whose answer was lost, and SQS gives no message up. Then the
// credential is valid again, and each run is re-triggered once.
func TestACredentialThatIsRefusedForDaysCostsNoRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.MaxRunAge = 60 * 24 * time.Hour
		w.Flow("g", worldOrg)
		w.Flow("h", worldOrg)
		runs := []string{w.Fail("f"), w.Fail("g"), w.Fail("h")}
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable, AfterEffect: true})
		w.Told(runs[0])
		w.Poll(w.Start(-1, false))
		w.Adobe.RotateSecret(worldOrg, "new")
		w.Told(runs[1])
		w.Send(fmt.Sprintf(`{"runId":%q,"orgId":%q}`, runs[2], worldOrg))
		w.Send(onlySweep)
		w.Drain(10 * 24 * time.Hour)
		if letters, waiting := len(w.AWS.Messages(w.Letters)), len(w.AWS.Messages(w.Requests)); letters != 0 || waiting != len(runs)+1 {
			t.Fatalf("after ten days there are %d dead letters, and %d messages wait", letters, waiting)
		}
		w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":"new","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg))
		w.Drain(24 * time.Hour)
		w.wantOnce(t, runs)
		if letters := len(w.AWS.Messages(w.Letters)); letters != 0 {
			t.Errorf("%d dead letters", letters)
		}
	})
}
