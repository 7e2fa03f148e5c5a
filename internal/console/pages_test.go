package console

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

func runAddress(id string) string {
	return "/run?org=" + url.QueryEscape(org) + "&id=" + url.QueryEscape(id)
}

func flowAddress(id string) string {
	return "/dataflow?org=" + url.QueryEscape(org) + "&id=" + url.QueryEscape(id)
}

func TestOverviewSaysWhatLiesThereToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.sees("/", "Stock levels", "Loyalty points", ">paused<", ">failing<", "in 29 days", "35 % of those that ended", "3 messages on the dead-letter queue are not of the function", "1a2b3c4d5e6f", "2 min ago", ">retries<")
}

func TestEmptyLedgerIsExplainedOnEveryPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for address, sentence := range map[string]string{
		"/": "The function has not done anything yet.", "/dataflows": "No run failed in the last seven days.", "/waiting": "Nothing waits.",
		"/dead-letters": "There are no dead letters.", "/sweeps": "There was no sweep in the last 15 days.", "/pauses": "Nothing is paused.",
	} {
		w.sees(address, sentence)
	}
}

func TestSilentFunctionIsSaidOnTheOverview(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pulse()
	const silent = "no event and no sweep for three hours"
	if body := w.sees("/"); strings.Contains(body, silent) {
		t.Error("a function that has just worked counts as silent")
	}
	w.after(4 * 60 * 60 * 1e9)
	w.sees("/", silent)
}

func TestOverviewSaysThatTheDeploymentIsPaused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pulse()
	const words = "The deployment has paused everything"
	if body := w.sees("/"); strings.Contains(body, words) {
		t.Error("it says so of one that is not")
	}
	w.must(ledger.WritePulses(w.Context(), w.table, w.now, ledger.Pulse{OrgID: org, LastEvent: w.now, Schema: ledger.Schema, Paused: true}))
	w.sees("/", words, "and the deployment's, of everything")
}

func TestDataflowsStandByNameWithTheirWeek(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	body := main(w.sees("/dataflows", "Thu 26 Nov: 4 failed, 1 recovered, 0 given up"))
	place := -1
	for _, name := range []string{"CRM contacts, hourly", "Loyalty points", "Stock levels", "Web orders"} {
		at := strings.Index(body, name)
		if at < place {
			t.Errorf("%q does not stand by its name", name)
		}
		place = at
	}
	body = main(w.sees("/dataflows?name=ORDERS", "Web orders"))
	if strings.Contains(body, "Stock levels") {
		t.Error("the filter by name lets another dataflow through")
	}
	w.sees("/dataflows?name=nothing", "No dataflow has “nothing” in its name.", "There are 4 dataflows in all.")
}

func TestOneDataflowHasItsWeekItsCodesAndItsRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.sees(flowAddress("5f0b1e2c-crm"), "CRM contacts, hourly", "CONNECTOR-2001-500", "92 %", "b1c4e7d0-0001", ">succeeded<", "works again")
	w.sees(flowAddress("91ce5d27-stock"), "the supplier sends a file without “sku”; CHG-1234", "Failing since", "1 to 100 of more than 100", `rel="next"`)
	w.sees(flowAddress("91ce5d27-stock")+"&page=2", "101 to 130 of 130", `rel="prev"`, "d3e6a9f2-0001")
}

func TestLineageIsALineOnATimeAxis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	for _, run := range []string{"b1c4e7d0-0001", "b1c4e7d0-0003", "b1c4e7d0-0004"} { // each of its runs shows all of it
		w.sees(runAddress(run),
			"1: failed at 26 Nov 10:00:00; 2: re-triggered at 10:03:02; 3: failed at 10:09:02; 4: re-triggered at 10:19:04; 5: failed at 10:26:04; 6: re-triggered at 10:56:06; 7: succeeded at 11:01:06.",
			">waited 3 min 2 s<", ">ran 6 min<", ">waited 30 min<", "CONNECTOR-2001-500: The source answered 503: the export is not ready.", "attempt 2 is due 10 minutes after the failure",
			"rule 4: claim before the call", "Adobe answered HTTP 200", "request-b1c4e7d0-0002", "It has recovered: run b1c4e7d0-0004")
	}
	w.sees("/run?id=b1c4e7d0-0001", "b1c4e7d0-0004") // as the form asks, without an org
	w.sees(runAddress("b1c4e7d0-0011"), "3: no end yet at", ">runs 29 min<", "The ledger does not know yet how that ended")
	w.sees(runAddress("c2d5f8e1-0001"), "1: failed at 26 Nov 11:50:00; 2: due at 12:10:00.", ">waits 20 min<", "aep-retrigger waiting now c2d5f8e1-0001")
	w.sees(runAddress("d3e6a9f2-0001"), "2: given up at 09:00:00", "aep-retrigger retry d3e6a9f2-0001")
}

func TestRunThatIsNotKnownIsSaidSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	for address, words := range map[string]string{
		"/run?id=unknown": "the ledger knows nothing of run unknown", flowAddress("unknown"): "the ledger knows no dataflow", "/nothing": "There is no page at this address.",
	} {
		if code, body := w.get(address); code != http.StatusNotFound || !strings.Contains(body, words) {
			t.Errorf("%s is answered with %d: %s", address, code, main(body))
		}
	}
	if code, body := w.get("/dataflow"); code != http.StatusBadRequest || !strings.Contains(body, "names no dataflow") {
		t.Errorf("an address without a dataflow is answered with %d: %s", code, main(body))
	}
}

func TestWaitingRunsStandByTheirTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	body := main(w.sees("/waiting", "adobe_unavailable", "Flow Service or IMS could not be reached", "its next delivery", "in 10 min", "1 to 10 of 10"))
	if strings.Index(body, "c2d5f8e1-0001") > strings.Index(body, "c2d5f8e1-0002") {
		t.Error("the run that is due later stands first")
	}
}

func TestDeadLettersAreFilteredAndHavePages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.sees("/dead-letters", "1 to 100 of 133", "page=2", "data_error (130)", "the lineage has had its attempts", "Message, 4,711 bytes", "in 13 d 22 h")
	w.sees("/dead-letters?page=2", "101 to 133 of 133", "d3e6a9f2-0001")
	w.sees("/dead-letters?page=99", "101 to 133 of 133")
	for address, want := range map[string]string{
		"?reason=run_not_found": "1 of 133 dead letters", "?reason=data_error&page=2": "101 to 130 of 130", "?code=DATASET-4002-400&text=0007": "1 of 133 dead letters",
		"?dataflow=LOYALTY": "2 of 133 dead letters", "?dataflow=ad10f3b8-loyalty&text=gnp": "1 of 133 dead letters", "?text=orgId": "1 of 133 dead letters", "?code=-": "2 of 133 dead letters",
		"?text=nowhere": "No dead letter fits.",
	} {
		w.sees("/dead-letters"+address, want)
	}
	if body := w.sees("/dead-letters?reason=data_error"); !strings.Contains(body, "page=2&amp;reason=data_error") {
		t.Error("the next page forgets the filter")
	}
}

// TestDeadLettersSayWhatAnotherTryNeeds as the command does: both read them through package
// operate.
func TestDeadLettersSayWhatAnotherTryNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := failed{Flow: "5f0b1e2c-crm", Name: "CRM contacts, hourly", Run: "a1", Code: "CONNECTOR-2001-500", Text: "The source answered 503"}
	w.giveUp(f, "attempts_exhausted", "three attempts failed")
	w.pulse()
	row := func() string {
		_, rest, _ := strings.Cut(w.sees("/dead-letters"), `<code>a1</code>`)
		return rest
	}
	if body := row(); !strings.Contains(body, "needs --force") || !strings.Contains(body, `<span class="badge bad">no</span>`) || strings.Contains(body, "expired ") {
		t.Errorf("a dataflow that still fails: %s", body)
	}
	w.after(15 * 24 * time.Hour)
	f.Run = "a2"
	w.retrigger(f, "a3")
	w.succeed(failed{Flow: f.Flow, Name: f.Name, Run: "a3"}, f)
	w.pulse()
	if body := row(); !strings.Contains(body, `<span class="badge good">yes</span>`) || !strings.Contains(body, "expired 1 d ago") {
		t.Errorf("a dataflow that works again, and a message that is gone: %s", body)
	}
}

func TestSweepsSayWhatTheyFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.sees("/sweeps", "schedule-2026-11-26T11", "by "+caller, "“the export was repaired”", ">finished<", ">with failures<", "The sandbox does not exist", "6 <code>waiting</code>")
}

func TestPausesSayWhoAndWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.sees("/pauses", "Stock levels", "CHG-1234", caller, "20 min ago", "maintenance of the shop", "Ended, and what waited is let go")
}

func TestTextsOfSourcesAreShownAndNotBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	addresses := []string{"/", "/dead-letters", runAddress(evilRun), runAddress("e4f7b0a3-\x1b[31mred"), flowAddress("ad10f3b8-loyalty"), "/run?id=" + url.QueryEscape(evilRun+"?"), "/dead-letters?text=" + url.QueryEscape(evilRun+evilText)}
	for _, address := range addresses {
		_, body := w.get(address)
		for _, bad := range []string{"<img src=x", "<b>found", "<i>", "\x1b", "\u202e", "\u0007", "ZgotmplZ"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s has %q:\n%s", address, bad, main(body))
			}
		}
	}
	w.sees("/dead-letters", evilSeen, "&lt;img src=x onerror=", "e4f7b0a3-�[31mred")
	for _, id := range []string{evilRun, "e4f7b0a3-\x1b[31mred"} { // Adobe gives no run such an id
		if code, body := w.get(runAddress(id)); code != http.StatusBadRequest || !strings.Contains(body, "has white space or control characters in it") || strings.Contains(body, "aep-retrigger retry") {
			t.Errorf("%q is answered with %d: %s", id, code, main(body))
		}
	}
	body := html.UnescapeString(w.sees("/dead-letters"))
	for _, id := range []string{evilRun, "e4f7b0a3-\x1b[31mred"} { // a link leads to the run that it shows
		if link := address("/run", "org", org, "id", id); !strings.Contains(body, `href="`+link+`"`) {
			t.Errorf("there is no link %s", link)
		}
	}
}

// failing is a table that can't be read.
type failing struct {
	store.Reader
	err error
}

func (f failing) ListFrom(context.Context, string, string, string, int) ([]store.Record, error) {
	return nil, &store.UnavailableError{Op: "list", Err: f.err}
}

func TestErrorsOfAWSAreSaidInWords(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		err   error
		title string
		words []string
	}{
		"a missing permission": {
			&smithy.OperationError{ServiceID: "DynamoDB", OperationName: "Query", Err: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "User dana is not authorized"}},
			"AWS does not allow it",
			[]string{"dynamodb:Query", "User dana is not authorized"},
		},
		"credentials that have expired": {
			&smithy.OperationError{ServiceID: "DynamoDB", OperationName: "Query", Err: &smithy.GenericAPIError{Code: "ExpiredTokenException", Message: "expired"}},
			"AWS does not allow it",
			[]string{"log in again"},
		},
		"something else": {errors.New("broken pipe"), "It could not be read", []string{"broken pipe"}},
	} {
		w := newWorld(t)
		w.pages = newPages(w.operator(failing{w.table, one.err}))
		for _, address := range []string{"/", "/dataflows", "/waiting", "/dead-letters", "/sweeps", "/pauses", runAddress("a"), flowAddress("a")} {
			code, body := w.get(address)
			if address == "/sweeps" && code == http.StatusOK {
				continue
			}
			if code != http.StatusBadGateway || !strings.Contains(body, "<h1>"+one.title+"</h1>") {
				t.Errorf("%s: %s is answered with %d: %s", name, address, code, main(body))
			}
			for _, word := range one.words {
				if !strings.Contains(body, word) {
					t.Errorf("%s: %s lacks %q: %s", name, address, word, main(body))
				}
			}
		}
	}
}

func TestOrgsAreNamedWhereThereAreSeveral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	const row = `<span class="sub">` + org
	if body := w.sees("/dataflows"); strings.Contains(body, row) {
		t.Error("the one org is named in each row")
	}
	w.must(ledger.WritePulses(w.Context(), w.table, w.now, ledger.Pulse{OrgID: "OTHER@AdobeOrg", Mode: "observe", Version: "0.1.0", Schema: ledger.Schema}))
	w.sees("/dataflows", row)
	w.sees("/", "OTHER@AdobeOrg", ">observes<")
}
