package flowclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	tutorial = flowclient.SpellingTutorial
	openAPI  = flowclient.SpellingOpenAPI
)

// strict answers each spelling of op in its own way, and takes note of what came.
type strict struct {
	mu      sync.Mutex
	answers map[string]answer
	ops     []string
}

func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := r.URL.Query().Get("op")
	s.mu.Lock()
	s.ops = append(s.ops, op)
	a := s.answers[op]
	s.mu.Unlock()
	if a.fault != nil {
		a.fault(w, r)
		return
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (s *strict) sent() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.ops, ",")
}

var accepts = answer{status: http.StatusOK, body: made}

func refuses(code, text string) answer {
	return answer{status: http.StatusBadRequest, body: fmt.Sprintf(`{"type":"https://ns.adobe.com/aep/errors/%s","title":"Bad Request","status":400,"report":{"detailed-message":%q}}`, code, text)}
}

func TestAutoSendsTheOtherSpellingOnceAfterTheFirstIsRefused(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]answer{
		"1333": refuses("SOURCES-1333-400", "The flowRunAction=re-trigger is not supported for source with spec id=x."),
		"1398": refuses("1398-400", ""),
		"1401": refuses("FLOW-1401-400", ""),
		"1451": refuses("FLOW-1451-400", "Query parameter op is not valid"),
		"1014": refuses("1014-400", "Argument flowRunAction: no such value re-trigger"),
		"1434": refuses("FLOW-1434-400", "Unsupported operation 're-trigger' received."),
		"an unknown code that speaks of the operation": refuses("FLOW-9999-400", "The operation is unknown"),
		"an unknown code that speaks of the action":    refuses("X-1-400", "No such flow run action"),
		"an unknown code that quotes the spelling":     refuses("X-1-400", "Invalid value 're-trigger'"),
		"an unknown code that names the parameter":     refuses("X-1-400", "Invalid value for op"),
		"no code, and a list of what is wrong":         {status: 400, body: `{"title":"Invalid request","validation":[{"location":["query","op"],"message":"must be equal to one of the allowed values: RE_TRIGGER"}]}`},
		"the gateway, an object within":                {status: 400, body: `{"error":{"code":"BadRequest","message":"unsupported op"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &strict{answers: map[string]answer{tutorial: first, openAPI: accepts}}
			accepted := new(flowclient.AcceptedOp)
			client := newClient(t, server.ServeHTTP, flowclient.WithAcceptedOp(accepted))
			for range 2 {
				if answer, err := client.Retrigger(t.Context(), sandbox, runID); err != nil || answer.RunID != newID {
					t.Fatalf("got %+v, %v", answer, err)
				}
			}
			// Another client of the process knows what the first has found out.
			if _, err := newClient(t, server.ServeHTTP, flowclient.WithAcceptedOp(accepted)).Retrigger(t.Context(), sandbox, runID); err != nil {
				t.Fatal(err)
			}
			if want := strings.Join([]string{tutorial, openAPI, openAPI, openAPI}, ","); server.sent() != want || accepted.Spelling() != openAPI {
				t.Errorf("sent %s, want %s; %q is known", server.sent(), want, accepted.Spelling())
			}
		})
	}
}

func TestAutoSendsNoOtherSpelling(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first answer
		kind  flowclient.Kind
	}{
		"after a success":                      {accepts, ""},
		"the run's state":                      {refuses("1387-400", "in an invalid state for re-triggering"), flowclient.KindNotYet},
		"the dataflow's state":                 {refuses("1388-400", "The flow cannot be re-triggered"), flowclient.KindRejected},
		"another parameter":                    {refuses("FLOW-1451-400", "Header If-Match is not valid"), flowclient.KindRejected},
		"a sub action":                         {refuses("FLOW-1435-400", "Unsupported sub action"), flowclient.KindRejected},
		"an unknown code about something else": {refuses("FLOW-9999-400", "The run has not failed"), flowclient.KindRejected},
		"a 400 without a text":                 {answer{status: 400, body: `{}`}, flowclient.KindRejected},
		"a 400 that is no JSON":                {answer{status: 400, body: `<html>Unsupported operation re-trigger</html>`}, flowclient.KindRejected},
		"a 400 that is cut":                    {answer{fault: truncated(400, refuses("FLOW-1434-400", "").body)}, flowclient.KindRejected},
		"a 400 that is cut within":             {answer{fault: truncated(400, `{"error_code":"1434-400","message":"op`)}, flowclient.KindRejected},
		"409":                                  {answer{status: 409, body: refuses("FLOW-1434-400", "").body}, flowclient.KindRejected},
		"422":                                  {answer{status: 422, body: refuses("FLOW-1434-400", "Unsupported operation").body}, flowclient.KindRejected},
		"404":                                  {answer{status: 404, body: refuses("FLOW-1434-400", "Unsupported operation").body}, flowclient.KindRejected},
		"405":                                  {answer{status: 405, body: `{"message":"operation not allowed"}`}, flowclient.KindRejected},
		"429":                                  {answer{status: 429, body: refuses("FLOW-1434-400", "").body}, flowclient.KindThrottled},
		"500":                                  {answer{status: 500, body: refuses("FLOW-1434-400", "Unsupported operation").body}, flowclient.KindUnknownOutcome},
		"503":                                  {answer{status: 503}, flowclient.KindUnknownOutcome},
		"a reset":                              {answer{fault: reset}, flowclient.KindUnknownOutcome},
		"a time-out":                           {answer{fault: hang}, flowclient.KindUnknownOutcome},
		"an unreadable success":                {answer{status: 200, body: `{"operation":"unsupported"}`}, flowclient.KindUnknownOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &strict{answers: map[string]answer{tutorial: test.first, openAPI: accepts}}
				accepted := new(flowclient.AcceptedOp)
				client := newBubbleClient(t, server, flowclient.WithAcceptedOp(accepted))
				_, err := client.Retrigger(t.Context(), sandbox, runID)
				if test.kind == "" {
					if err != nil || accepted.Spelling() != tutorial {
						t.Errorf("got %v, and %q is known", err, accepted.Spelling())
					}
				} else if failed := failure(t, err); failed.Kind != test.kind || failed.Attempts != 1 || accepted.Spelling() != "" {
					t.Errorf("got %+v, and %q is known", failed, accepted.Spelling())
				}
				if server.sent() != tutorial {
					t.Errorf("sent %s", server.sent())
				}
			})
		})
	}
}

// TestAutoReportsTheAnswerThatSaysMore: Neither spelling makes a run. The error is that
// of the answer which says more, and no spelling is remembered.
func TestAutoReportsTheAnswerThatSaysMore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, second answer
		kind          flowclient.Kind
		code          string
		attempts      int
	}{
		"the second is about the run": {refuses("FLOW-1434-400", ""), refuses("1387-400", "not yet"), flowclient.KindNotYet, "1387-400", 2},
		"both are refused alike":      {refuses("FLOW-1434-400", ""), refuses("FLOW-1434-400", ""), flowclient.KindRejected, "FLOW-1434-400", 2},
		"the first tells more":        {refuses("1333-400", "not for this source"), refuses("FLOW-1434-400", ""), flowclient.KindRejected, "1333-400", 2},
		"the second tells more":       {refuses("FLOW-1434-400", ""), refuses("1333-400", "not for this source"), flowclient.KindRejected, "1333-400", 2},
		"a known code tells more":     {refuses("FLOW-9999-400", "some operation, and a long text about it"), refuses("FLOW-1434-400", ""), flowclient.KindRejected, "FLOW-1434-400", 2},
		"the second may have worked":  {refuses("FLOW-1434-400", ""), answer{status: 504}, flowclient.KindUnknownOutcome, "", 2},
		"the second is lost":          {refuses("FLOW-1434-400", ""), answer{fault: reset}, flowclient.KindUnknownOutcome, "", 2},
		"the second is throttled":     {refuses("FLOW-1434-400", ""), answer{status: 429}, flowclient.KindThrottled, "", 2},
		"a token ends in between":     {refuses("FLOW-1434-400", ""), answer{status: 401}, flowclient.KindUnauthorized, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &strict{answers: map[string]answer{tutorial: test.first, openAPI: test.second}}
			accepted := new(flowclient.AcceptedOp)
			client := newClient(t, server.ServeHTTP, flowclient.WithAcceptedOp(accepted))
			_, err := client.Retrigger(t.Context(), sandbox, runID)
			if failed := failure(t, err); failed.Kind != test.kind || failed.Code != test.code || failed.Attempts != test.attempts {
				t.Errorf("got %+v", failed)
			}
			if accepted.Spelling() != "" || strings.Count(server.sent(), ",") != test.attempts-1 {
				t.Errorf("sent %s, and %q is known", server.sent(), accepted.Spelling())
			}
		})
	}
}

func TestKnownSpellingIsSentFirstAndTheOtherAfterARefusal(t *testing.T) {
	t.Parallel()
	server := &strict{answers: map[string]answer{tutorial: refuses("FLOW-1434-400", ""), openAPI: accepts}}
	accepted := new(flowclient.AcceptedOp)
	client := newClient(t, server.ServeHTTP, flowclient.WithAcceptedOp(accepted))
	retrigger := func(sent string, fails bool) {
		t.Helper()
		server.ops = nil
		if _, err := client.Retrigger(t.Context(), sandbox, runID); (err != nil) != fails || server.sent() != sent {
			t.Errorf("sent %s, want %s; error %v", server.sent(), sent, err)
		}
	}
	retrigger(tutorial+","+openAPI, false)
	retrigger(openAPI, false)
	server.answers[openAPI] = refuses("1333-400", "The action is not supported for source") // a streaming source, for example
	retrigger(openAPI+","+tutorial, true)
	if accepted.Spelling() != openAPI {
		t.Errorf("%q is known", accepted.Spelling())
	}
	server.answers[tutorial] = accepts // Adobe has changed its mind
	retrigger(openAPI+","+tutorial, false)
	retrigger(tutorial, false)
}

func TestEachSpellingCanBeForced(t *testing.T) {
	t.Parallel()
	for _, spelling := range []string{tutorial, openAPI} {
		server := &strict{answers: map[string]answer{tutorial: refuses("FLOW-1434-400", "Unsupported operation"), openAPI: refuses("1401-400", "")}}
		client := newClient(t, server.ServeHTTP, flowclient.WithOp(spelling))
		if _, err := client.Retrigger(t.Context(), sandbox, runID); !errors.Is(err, flowclient.KindRejected) || server.sent() != spelling {
			t.Errorf("%s: got %v after %s", spelling, err, server.sent())
		}
	}
	for _, wrong := range []string{"", "AUTO", "retrigger", "re_trigger", "RE-TRIGGER", "re-trigger ", "a\r\nb"} {
		if _, err := flowclient.New(org, apiKey, &tokens{}, flowclient.WithOp(wrong)); err == nil || !strings.Contains(err.Error(), "auto, re-trigger or RE_TRIGGER") {
			t.Errorf("%q: got %v", wrong, err)
		}
	}
}

func TestOtherSpellingIsNotSentWithoutTimeForAWholeCall(t *testing.T) {
	t.Parallel()
	for limit, want := range map[time.Duration]string{19 * time.Second: tutorial, 21 * time.Second: tutorial + "," + openAPI} {
		synctest.Test(t, func(t *testing.T) {
			slow := answer{fault: func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(5 * time.Second) //nolint:forbidigo // fake time: the answer takes that long
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, refuses("FLOW-1434-400", "").body)
			}}
			server := &strict{answers: map[string]answer{tutorial: slow, openAPI: accepts}}
			client := newBubbleClient(t, server, flowclient.WithCallTimeout(15*time.Second))
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := client.Retrigger(ctx, sandbox, runID)
			if server.sent() != want {
				t.Errorf("%v: sent %s, want %s", limit, server.sent(), want)
			}
			if want != tutorial {
				if err != nil {
					t.Error(err)
				}
				return
			}
			failed := failure(t, err)
			if !errors.Is(err, flowclient.ErrNoTime) || failed.Kind != flowclient.KindTransient || failed.MayHaveTakenEffect() || failed.Attempts != 1 {
				t.Errorf("got %+v", failed)
			}
		})
	}
}

// TestRetriggerIsNotSentAgainWithoutTimeForAWholeCall has the same for the other ways in
// which a re-trigger is sent again.
func TestRetriggerIsNotSentAgainWithoutTimeForAWholeCall(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]answer{
		"a refused token":      {status: 401},
		"a refused key":        {status: 403, body: `{"error_code":"403003","message":"Api Key is invalid"}`},
		"a 5xx without effect": {status: 500, body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2116-500","title":"Internal Error"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &script{answers: []answer{first, accepts}}
				client := newBubbleClient(t, server, flowclient.WithCallTimeout(15*time.Second), flowclient.WithBackoff(func(int) time.Duration { return time.Second }))
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second+time.Millisecond)
				defer cancel()
				time.Sleep(time.Second) //nolint:forbidigo // fake time: less than a call is left
				_, err := client.Retrigger(ctx, sandbox, runID)
				if failed := failure(t, err); !errors.Is(err, flowclient.ErrNoTime) || failed.MayHaveTakenEffect() || server.count() != 1 {
					t.Errorf("got %+v after %d requests", failed, server.count())
				}
			})
		})
	}
}

func TestManyCallsAtOnceFindTheSpelling(t *testing.T) {
	t.Parallel()
	server := &strict{answers: map[string]answer{tutorial: refuses("FLOW-1434-400", ""), openAPI: accepts}}
	accepted := new(flowclient.AcceptedOp)
	client := newClient(t, server.ServeHTTP, flowclient.WithAcceptedOp(accepted))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := client.Retrigger(t.Context(), sandbox, runID); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff(openAPI, accepted.Spelling()); diff != "" {
		t.Errorf("known spelling (-want +got):\n%s", diff)
	}
}
