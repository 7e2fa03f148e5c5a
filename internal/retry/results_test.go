package retry_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// results are what the deliveries have led to: at Adobe, in the table, on the queue, on the bus
// and in the log.
type results struct {
	*testing.T

	adobe  *adobe
	table  *table
	ledger *ledger.Ledger
	queue  *queue
	bus    *bus
	log    bytes.Buffer
}

// want compares an outcome.
func (res *results) want(r Result, outcome Outcome, reason Reason) {
	res.Helper()
	if r.Outcome != outcome || r.Reason != reason {
		res.Errorf("got %s (%s) %s, want %s (%s)\n%s", r.Outcome, r.Reason, r.Message, outcome, reason, res.log.String())
	}
}

func (res *results) wantRetriggers(n int) {
	res.Helper()
	if got := res.adobe.Count(flowsim.OpRetrigger); got != n {
		res.Errorf("%d re-triggers were sent, want %d\n%s", got, n, res.log.String())
	}
}

// entries are the ledger's of a run.
func (res *results) entries(runID string) ledger.Entries {
	res.Helper()
	e, err := res.ledger.Load(context.WithoutCancel(res.Context()), ledger.Ref{OrgID: org, FlowID: flow, Sandbox: sandbox, RunID: runID})
	if err != nil {
		res.Fatal(err)
	}
	return e
}

func (res *results) wantState(runID string, state ledger.State) {
	res.Helper()
	e := res.entries(runID)
	if got := e.Run.StateAt(time.Now()); got != state {
		res.Errorf("run %s is %q, want %q\n%s", runID, got, state, res.log.String())
	}
}

// message is the last request that was put on the queue, as it is delivered again.
func (res *results) message() event.Request {
	res.Helper()
	if len(res.queue.sent) == 0 {
		res.Fatal("nothing waits")
	}
	req := res.queue.sent[len(res.queue.sent)-1].Request
	req.Source, req.SentAt = event.FromQueue, time.Now()
	return req
}

// budget is what the org's counter of this window has.
func (res *results) budget() string {
	for _, r := range res.table.Table.(interface{ Records() []store.Record }).Records() { //nolint:errcheck // it is the table in memory
		if strings.HasPrefix(r[store.AttributeKey], "org-budget#") && strings.HasSuffix(r[store.AttributeKey], time.Now().UTC().Truncate(time.Hour).Format(time.RFC3339)) {
			return r[store.AttributeCount]
		}
	}
	return ""
}

// others lets other processes take so much of the org's budget.
func (res *results) others(n int) {
	res.Helper()
	if _, err := res.table.Table.Add(res.Context(), "org-budget#"+org+"#"+time.Now().UTC().Truncate(time.Hour).Format(time.RFC3339), n, 0, time.Now().Add(time.Hour)); err != nil {
		res.Fatal(err)
	}
}

func (res *results) wantBudget(used string) {
	res.Helper()
	if got := res.budget(); got != used {
		res.Errorf("%s of the budget are used, want %s", got, used)
	}
}

func (res *results) wantNotices(want ...notice.Kind) {
	res.Helper()
	var got []notice.Kind
	for _, n := range res.bus.sent {
		got = append(got, n.Kind)
	}
	if !slices.Equal(got, want) {
		res.Errorf("the notices are %q, want %q\n%s", got, want, res.log.String())
	}
}

// wantUntold compares how much news is on the list for the next sweep.
func (res *results) wantUntold(want int) {
	res.Helper()
	n := 0
	flows, err := ledger.NewEpisodes(res.ledger).Untold(res.Context(), org, 10)
	for _, f := range flows {
		n += len(f.Untold())
	}
	if n != want || err != nil {
		res.Errorf("%d pieces of news are on the list, want %d; %v", n, want, err)
	}
}

// sums are those of all days.
func (res *results) sums() []ledger.Sum {
	res.Helper()
	sums, err := ledger.Lists{Table: res.table.Table}.Days(res.Context(), org, time.Time{}, 100)
	if err != nil {
		res.Fatal(err)
	}
	return sums
}

func (res *results) wantSums(want ...ledger.Sum) {
	res.Helper()
	for i := range want {
		want[i].OrgID, want[i].Day, want[i].FlowName = org, time.Now().UTC().Format(time.DateOnly), "Orders"
	}
	if diff := cmp.Diff(want, res.sums()); diff != "" {
		res.Errorf("the sums (-want +got):\n%s", diff)
	}
}
