package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

const (
	org             = "0123456789ABCDEF@AdobeOrg"
	sandbox         = "prod"
	deadLetterQueue = "dead-letters"
	caller          = "arn:aws:iam::123456789012:user/dana"
)

// world is a ledger that is written as the function writes it, with a clock of its own, and a
// console over it.
type world struct {
	*testing.T

	ledger *ledger.Ledger
	limits *throttle.Throttle
	table  *memory.Table
	now    time.Time
	pages  *pages
	// letters are how many messages SQS counts on the dead-letter queue.
	letters int
}

// newWorld returns an empty ledger, on a Thursday at noon.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, table: memory.New(), now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return w.now }
	w.ledger = ledger.New(w.table, ledger.DefaultTTL, clock)
	w.limits = throttle.New(w.table, throttle.Limits{}, false, clock)
	w.pages = newPages(w.operator(w.table))
	w.pages.defect = func(err error) { t.Error(err) }
	return w
}

// queues counts the messages of both queues.
type queues struct {
	operate.Queues

	w *world
}

// GetQueueAttributes is the only call that the pages make.
func (q queues) GetQueueAttributes(_ context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	n := 0
	if *in.QueueUrl == deadLetterQueue {
		n = q.w.letters
	}
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{string(types.QueueAttributeNameApproximateNumberOfMessages): strconv.Itoa(n)}}, nil
}

// operator reads the table at the world's time.
func (w *world) operator(table store.Reader) *operate.Operator {
	return &operate.Operator{
		Stack: operate.Stack{Name: "aep-retrigger", Region: "eu-central-1", LedgerTable: "ledger", RequestQueueURL: "requests", DeadLetterQueueURL: deadLetterQueue}, Table: table,
		Queues: queues{w: w}, Now: func() time.Time { return w.now },
	}
}

func (w *world) after(d time.Duration) { w.now = w.now.Add(d) }

// at sets the clock to a time of the world's day, such as "10:00".
func (w *world) at(clock string) {
	w.Helper()
	t, err := time.Parse("15:04", clock)
	if err != nil {
		w.Fatal(err)
	}
	w.now = time.Date(w.now.Year(), w.now.Month(), w.now.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}

// failed is a failed run as an event tells of it.
type failed struct{ Flow, Name, Run, Code, Text string }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) load(f failed) ledger.Entries {
	w.Helper()
	e, err := w.ledger.Load(context.Background(), ledger.Ref{OrgID: org, FlowID: f.Flow, Sandbox: sandbox, RunID: f.Run})
	w.must(err)
	e.Describe(f.Name, f.Code, f.Text, "")
	return e
}

// reserved reserves the run, as a delivery does that writes a message or a dead letter for it.
func (w *world) reserved(f failed) ledger.Entries {
	w.Helper()
	e, err := w.ledger.Reserve(w.Context(), w.load(f), ledger.AnEvent, w.now.Add(time.Minute))
	w.must(err)
	return e
}

// wait defers the run.
func (w *world) wait(f failed, length time.Duration, reason, detail string) {
	w.Helper()
	e := w.reserved(f)
	e.Because(ledger.Decision{Detail: detail})
	_, err := w.ledger.Note(w.Context(), e, ledger.AnEvent, ledger.Outcome{State: ledger.Deferred, Reason: reason, Due: w.now.Add(length)})
	w.must(err)
}

// retrigger re-triggers the run, which makes another one two seconds later.
func (w *world) retrigger(f failed, child string) {
	w.Helper()
	e := w.load(f)
	c, e, err := w.ledger.Claim(w.Context(), e, ledger.ClaimOptions{By: ledger.AForce, ClientID: "client", Until: w.now.Add(time.Minute)})
	w.must(err)
	w.after(2 * time.Second)
	e.Because(ledger.Decision{Rule: 4, HTTPStatus: http.StatusOK, AdobeRequestID: "request-" + child})
	_, err = w.ledger.Confirm(w.Context(), c, e, child)
	w.must(err)
}

// giveUp makes a dead letter of the run.
func (w *world) giveUp(f failed, reason, detail string) {
	w.Helper()
	e := w.reserved(f)
	e.Because(ledger.Decision{Rule: 15, Detail: detail})
	_, err := w.ledger.Note(w.Context(), e, ledger.AnEvent, ledger.Outcome{State: ledger.DeadLettered, Reason: reason, GivenUp: true})
	w.must(err)
}

// succeed records that a run of ours succeeded.
func (w *world) succeed(f failed, root failed) {
	w.Helper()
	_, done, err := w.ledger.Succeed(w.Context(), w.load(f), ledger.Recovery{ErrorCode: root.Code, At: w.now, After: 12 * time.Minute})
	w.must(err)
	if !done {
		w.Fatalf("the success of %s was not recorded", f.Run)
	}
}

func (w *world) sum(f failed, add ledger.Sum) {
	w.Helper()
	s := ledger.NewSum(org, f.Flow, f.Name, f.Code, w.now)
	s.Retriggered, s.GivenUp, s.Recovered = add.Retriggered, add.GivenUp, add.Recovered
	w.must(w.table.Commit(w.Context(), s.Write()))
}

// pulse tells that the function works for the org.
func (w *world) pulse() {
	w.Helper()
	w.must(ledger.WritePulses(w.Context(), w.table, w.now, ledger.Pulse{
		OrgID: org, Sandbox: sandbox, LastEvent: w.now.Add(-2 * time.Minute), LastSweep: w.now.Add(-25 * time.Minute), Version: "0.1.0+1a2b3c4d5e6f", Mode: "retry", Schema: ledger.Schema,
	}))
}

// get returns a page and its status.
func (w *world) get(address string) (int, string) {
	w.Helper()
	recorder := httptest.NewRecorder()
	w.pages.ServeHTTP(recorder, httptest.NewRequestWithContext(w.Context(), http.MethodGet, address, http.NoBody))
	body, err := io.ReadAll(recorder.Result().Body)
	w.must(err)
	return recorder.Code, string(body)
}

// sees ends the test where a page lacks one of the texts.
func (w *world) sees(address string, texts ...string) string {
	w.Helper()
	code, body := w.get(address)
	if code != http.StatusOK {
		w.Fatalf("%s is answered with %d: %s", address, code, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			w.Errorf("%s lacks %q:\n%s", address, text, main(body))
		}
	}
	return body
}

// main is the part of a page that differs from others.
func main(body string) string {
	_, body, _ = strings.Cut(body, "<main")
	body, _, _ = strings.Cut(body, "</main>")
	return body
}

// Names that would do something to a page or a terminal that believes them.
const (
	evilRun  = `<img src=x onerror="document.title='broken in'">`
	evilText = "no file \x1b[2J\u202egnp.exe\u0007 was <b>found</b>"
	evilSeen = "no file �[2J�gnp.exe� was &lt;b&gt;found&lt;/b&gt;"
)

// busy fills the world with a week of work: dataflows that recover, fail and are paused, a
// lineage of three attempts, runs that wait, more than a page of dead letters, and sweeps.
func (w *world) busy() {
	w.Helper()
	today := w.now
	crm := failed{Flow: "5f0b1e2c-crm", Name: "CRM contacts, hourly", Run: "b1c4e7d0-0001", Code: "CONNECTOR-2001-500", Text: "The source answered 503: the export is not ready."}
	web := failed{Flow: "7a3d9b40-web", Name: "Web orders", Run: "c2d5f8e1-0001", Code: "CONNECTOR-1001-500", Text: "Read timed out after 120000 ms."}
	stock := failed{Flow: "91ce5d27-stock", Name: "Stock levels", Run: "d3e6a9f2-0001", Code: "DATASET-4002-400", Text: "Column “sku” is missing in the file stock-2026-11-26.csv."}
	days := [][3]int{{6, 5, 0}, {9, 8, 1}, {4, 4, 0}, {14, 10, 2}, {7, 7, 0}, {3, 2, 0}}
	for i, n := range days {
		w.now = today.AddDate(0, 0, i-len(days))
		w.sum(crm, ledger.Sum{Retriggered: n[0], Recovered: n[1], GivenUp: n[2]})
		w.sum(web, ledger.Sum{Retriggered: n[1] + 1, Recovered: n[1]})
	}
	w.now = today
	w.lineage(crm)
	w.waiting(web)
	w.dead(stock)
	w.at("11:40")
	w.pauses(stock)
	w.sweeps()
	w.letters = 136 // of which the ledger knows 133
	w.must(ledger.PutLetter(w.Context(), w.table, ledger.Letter{ID: ledger.NewLetterID(), Reason: "unreadable", Error: "the message is no JSON: line 1, column 14", Body: `{"runId": "a1" "orgId": …`, At: w.now, Bytes: 4711}))
	w.now = today
	w.pulse()
}

// lineage is one that recovers with its third attempt, one that was given up, and one whose end
// is not known.
func (w *world) lineage(f failed) {
	w.Helper()
	w.at("10:00")
	run := func(n int) failed {
		f.Run = fmt.Sprintf("b1c4e7d0-%04d", n)
		return f
	}
	first := run(1)
	w.wait(first, 3*time.Minute, "retry_delay", "attempt 1 is due 3 minutes after the failure")
	w.after(3 * time.Minute)
	w.retrigger(run(1), "b1c4e7d0-0002")
	w.after(6 * time.Minute)
	w.wait(run(2), 10*time.Minute, "retry_delay", "attempt 2 is due 10 minutes after the failure")
	w.after(10 * time.Minute)
	w.retrigger(run(2), "b1c4e7d0-0003")
	w.after(7 * time.Minute)
	w.wait(run(3), 30*time.Minute, "retry_delay", "attempt 3 is due 30 minutes after the failure")
	w.after(30 * time.Minute)
	w.retrigger(run(3), "b1c4e7d0-0004")
	w.after(5 * time.Minute)
	w.succeed(failed{Flow: f.Flow, Name: f.Name, Run: "b1c4e7d0-0004"}, first)
	w.at("11:30")
	w.retrigger(run(10), "b1c4e7d0-0011")
}

// waiting are runs that wait for different things.
func (w *world) waiting(f failed) {
	w.Helper()
	w.at("11:50")
	for i, reason := range []string{"retry_delay", "budget_spent", "paused"} {
		f.Run = fmt.Sprintf("c2d5f8e1-%04d", i+1)
		w.wait(f, time.Duration(20+15*i)*time.Minute, reason, "the next attempt waits: "+reason)
	}
	f.Run = "c2d5f8e1-0009"
	e := w.load(f)
	e.Because(ledger.Decision{Rule: 9, Detail: "Flow Service answered 503, and nothing was sent", HTTPStatus: http.StatusServiceUnavailable})
	c, e, err := w.ledger.Claim(w.Context(), e, ledger.ClaimOptions{By: ledger.AnEvent, ClientID: "client", Until: w.now.Add(time.Minute)})
	w.must(err)
	_, err = w.ledger.Release(w.Context(), c, e, "adobe_unavailable", 0)
	w.must(err)
}

// dead are more dead letters than a page has, some with names that must not be believed.
func (w *world) dead(f failed) {
	w.Helper()
	w.at("09:00")
	for i := range 130 {
		f.Run = fmt.Sprintf("d3e6a9f2-%04d", i+1)
		w.giveUp(f, "data_error", "the file has to be mended at the source: another attempt would read it again")
		w.after(30 * time.Second)
	}
	w.giveUp(failed{Flow: "ad10f3b8-loyalty", Name: "Loyalty points", Run: evilRun, Code: "CONNECTOR-<i>", Text: evilText}, "attempts_exhausted", "three attempts failed")
	w.giveUp(failed{Flow: "ad10f3b8-loyalty", Name: "Loyalty points", Run: "e4f7b0a3-\x1b[31mred", Text: "\x1b]0;title\x07"}, "run_not_found", "the sandbox has no such run")
}

func (w *world) pauses(f failed) {
	w.Helper()
	_, err := w.limits.Pause(w.Context(), throttle.Scope{OrgID: org, FlowID: f.Flow}, throttle.Cause{Reason: "the supplier sends a file without “sku”; CHG-1234", By: caller}, w.now)
	w.must(err)
	_, err = w.limits.Pause(w.Context(), throttle.Scope{OrgID: org, FlowID: "7a3d9b40-web"}, throttle.Cause{Reason: "maintenance of the shop", By: caller}, w.now)
	w.must(err)
	w.after(10 * time.Minute)
	_, err = w.limits.Resume(w.Context(), throttle.Scope{OrgID: org, FlowID: "7a3d9b40-web"}, w.now)
	w.must(err)
}
