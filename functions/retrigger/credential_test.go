package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestEveryAnswerSaysWhyTheCredentialIsRefused: IMS or Adobe's gateway refuses the
// credential. Its words stand in the answers at once, while the refusal is remembered,
// and after that.
func TestEveryAnswerSaysWhyTheCredentialIsRefused(t *testing.T) {
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
					if result.Outcome != retry.Deferred || result.Reason != retry.CredentialsRefused {
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
				if letters := w.AWS.Messages(w.DeadLetterQueue); len(letters) != 0 {
					t.Errorf("%d dead letters of a credential's fault", len(letters))
				}
			})
		})
	}
}

// TestLogRecordOfAMessageSaysWhyTheCredentialIsRefused: The log record of a message from
// the queue has the same words as the answer to a direct request.
func TestLogRecordOfAMessageSaysWhyTheCredentialIsRefused(t *testing.T) {
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

// TestNextClientSecretIsUsedDuringARotation: A rotation that is not complete yet costs no
// message and raises no alarm.
func TestNextClientSecretIsUsedDuringARotation(t *testing.T) {
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

// TestBadCredentialRaisesOneAlarmAndWritesNoDeadLetters: The runs wait until a person has
// corrected the secret, and the log records name the faulty field.
func TestBadCredentialRaisesOneAlarmAndWritesNoDeadLetters(t *testing.T) {
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
				if letters := w.AWS.Messages(w.DeadLetterQueue); len(letters) != 0 || w.Logs.Sum("credentials_unavailable") == 0 {
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

// TestSearchAndBreakerReadARotatedSecret: The secret was rotated. The search for the run
// of a lost call reads the secret again, and so does the breaker when it asks for a
// success, just as a re-trigger does.
func TestSearchAndBreakerReadARotatedSecret(t *testing.T) {
	t.Parallel()
	for _, renewed := range []bool{true, false} {
		t.Run(fmt.Sprintf("in the secret %t", renewed), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				rotate := func(secret string) {
					w.Adobe.RotateSecret(worldOrg, secret)
					if renewed {
						w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":%q,"org_id":%q,"scopes":"openid","sandbox":"prod"}`, secret, worldOrg))
					}
				}
				w.Config.BreakerThreshold = 1
				p := w.Start(-1, false)
				lost := w.Fail("f")
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true})
				w.Told(lost)
				w.Poll(p)
				rotate("second")
				pass(time.Until(w.Next()))
				w.Poll(p)
				if e := w.Entry(lost); renewed != (e["state"] == "retriggered") || w.Adobe.Retriggers(lost) != 1 {
					t.Errorf("what was lost is looked up: %v", e)
				}
				if last := w.Logs.Outcomes()[len(w.Logs.Outcomes())-1]; !renewed && (last.Outcome != "returned" || last.Reason != "credentials_refused") {
					t.Errorf("the outcome is %+v", last)
				}
				if !renewed {
					w.Adobe.RotateSecret(worldOrg, "s")
				}
				w.Drain(time.Hour)
				w.failing(3) // the breaker opens
				w.Told(w.Fail("f"))
				for w.reasons()["attempts_exhausted"] == 0 {
					w.Drain(time.Minute)
					pass(time.Minute)
				}
				w.Adobe.AddRun(flowsim.Run{ID: "good", FlowID: "f", Status: flowsim.Success, Records: 1, CompletedAt: time.Now().Add(time.Second)})
				pass(time.Minute)
				p = w.Start(-1, false)
				w.invoke(p, string(w.Adobe.FailureEvent(lost))) // the credential is cached
				rotate("third")
				next := w.Fail("f")
				w.Told(next)
				w.Poll(p)
				last := w.Logs.Outcomes()[len(w.Logs.Outcomes())-1]
				if want := map[bool]string{true: "retriggered ", false: "returned credentials_refused"}[renewed]; last.Outcome+" "+last.Reason != want {
					t.Errorf("with an open breaker the outcome is %+v, want %s", last, want)
				}
			})
		})
	}
}
