// Package smallworld is an org in small that lives by itself, faster than life: some ten
// dataflows whose runs fail, recover and are given up, events that come, come twice or do not
// come, a pause, sweeps and noise. `make up` plays it, so that there is something to look at
// and to practice on.
//
// An hour of life takes [HourOfLife] here. What happens follows a script and a seed: two worlds of
// one seed do the same at the same times.
package smallworld

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// HourOfLife is how long an hour of life takes.
const HourOfLife = 30 * time.Second

// Settings are the function's variables for a World: its delays fit the speed. They keep
// what the function needs to be right: a run's age and the ledger's memory are longer than
// anything that the World does.
func Settings() []string {
	return []string{
		"RETRY_DELAYS=0s,10s,40s", "MAX_RUN_AGE=1h", "LEDGER_TTL=24h", "BREAKER_THRESHOLD=3", "BREAKER_COOLDOWN=4m",
		"RECONCILE_AFTER=2s", "EXTRA_SEND_AFTER=20s", "FAULT_INTERVAL=1s",
		"FLOW_BUDGET=60", "ORG_BUDGET=1200", "BUDGET_WINDOW=1m", "SWEEP_SINCE=30m", "LOG_LEVEL=info",
	}
}

// Parts are what a World acts on.
type Parts struct {
	Adobe *flowsim.Server
	// OrgID and Sandbox are those of the dataflows; Adobe must know them.
	OrgID, Sandbox string
	// Send puts a message on the request queue.
	Send func(ctx context.Context, body string) error
	// Undelivered puts a message on the dead-letter queue, as EventBridge does with an event
	// that it could not deliver.
	Undelivered func(ctx context.Context, body string) error
	// Invoke invokes the function by hand, or as the schedule does.
	Invoke func(ctx context.Context, payload string) error
	// Seed chooses among the things that may happen.
	Seed uint64
}

// World plays. It is not safe for concurrent use. Make it with [New].
type World struct {
	Parts
	random *rand.Rand
	began  time.Time
	flows  []*dataflow
	noises int              // sent so far
	todo   []task           // in the order in which they are due
	fates  map[string]*fate // of the runs in progress, by id
}

// task is something that happens at a time.
type task struct {
	at time.Time
	do func(ctx context.Context, now time.Time) error
}

// fate is what becomes of a lineage.
type fate struct {
	fails   int                          // how many more of its runs fail
	broken  func(age time.Duration) bool // while this holds; nil for always
	code    string
	message string
	unheard bool // no event tells of its runs
	twice   bool // each event comes twice
}

// New returns a World that begins now.
func New(p Parts, now time.Time) *World {
	w := &World{Parts: p, random: rand.New(rand.NewPCG(p.Seed, p.Seed)), began: now, fates: map[string]*fate{}} //nolint:gosec // it is to be repeatable
	for i, f := range dataflows() {
		w.flows = append(w.flows, f)
		describe(w, f, &fate{}, now)
		w.at(now.Add(time.Duration(i)*time.Second), func(ctx context.Context, now time.Time) error { return w.schedule(ctx, f, now) })
	}
	for _, e := range w.extras() {
		w.at(now.Add(e.first), func(ctx context.Context, now time.Time) error { return w.repeat(ctx, e, now) })
	}
	return w
}

// at has something happen at a time.
func (w *World) at(at time.Time, do func(ctx context.Context, now time.Time) error) {
	place, _ := slices.BinarySearchFunc(w.todo, at, func(t task, at time.Time) int { return cmp.Or(t.at.Compare(at), -1) })
	w.todo = slices.Insert(w.todo, place, task{at, do})
}

// Step lets happen what is due. The error is that of a call of AWS; the World goes on after
// it.
func (w *World) Step(ctx context.Context, now time.Time) error {
	w.adopt(now)
	for len(w.todo) > 0 && !w.todo[0].at.After(now) {
		next := w.todo[0]
		w.todo = w.todo[1:]
		if err := next.do(ctx, now); err != nil {
			return err
		}
	}
	return nil
}

// Forget forgets what ended before a time, in Adobe, too.
func (w *World) Forget(before time.Time) {
	flowsim.Forget(w.Adobe, before)
	for id := range w.fates {
		if _, found := flowsim.Find(w.Adobe, id); !found {
			delete(w.fates, id)
		}
	}
}

// schedule begins a run of a dataflow, as its schedule does, and the next one later.
func (w *World) schedule(_ context.Context, f *dataflow, now time.Time) error {
	w.at(now.Add(f.every), func(ctx context.Context, now time.Time) error { return w.schedule(ctx, f, now) })
	next := f.fate(f.runs, w.random)
	f.runs++
	describe(w, f, next, now)
	w.begin(flowsim.Run{ID: w.id(), FlowID: f.id, Status: flowsim.InProgress, CreatedAt: now, CreatedClient: "acp_ui_platform"}, next, now)
	return nil
}

// describe tells Adobe of the dataflow. A test of its source says the same as its runs: it
// refuses the login while that is broken.
func describe(w *World, f *dataflow, next *fate, now time.Time) {
	flow := flowsim.Flow{ID: f.id, Name: f.name, OrgID: w.OrgID, Sandbox: w.Sandbox, Streaming: f.streaming}
	if next.code == loginBroken && next.broken(now.Sub(w.began)) {
		flow.Refuses = next.message
	}
	w.Adobe.AddFlow(flow)
}

// begin adds a run in progress, which ends after some seconds.
func (w *World) begin(r flowsim.Run, next *fate, now time.Time) {
	w.Adobe.AddRun(r)
	w.ends(r.ID, next, now)
}

// ends has a run in progress end.
func (w *World) ends(runID string, next *fate, now time.Time) {
	w.fates[runID] = next
	takes := time.Second + time.Duration(w.random.IntN(3000))*time.Millisecond
	w.at(now.Add(takes), func(ctx context.Context, now time.Time) error { return w.end(ctx, runID, now) })
}

// adopt finds the runs that the function's re-triggers have made: they share the fate of the
// run that was re-triggered.
func (w *World) adopt(now time.Time) {
	for _, r := range flowsim.Ongoing(w.Adobe) {
		if w.fates[r.ID] != nil {
			continue
		}
		next := &fate{}
		if before := w.fates[r.Of]; before != nil {
			next = before
		}
		w.ends(r.ID, next, now)
	}
}

// end ends a run, and tells of it.
func (w *World) end(ctx context.Context, runID string, now time.Time) error {
	next := w.fates[runID]
	if next.fails <= 0 || next.broken != nil && !next.broken(now.Sub(w.began)) {
		w.Adobe.End(runID, flowsim.Succeed())
		return w.tell(ctx, runID, &fate{unheard: next.unheard}, now)
	}
	next.fails--
	w.Adobe.End(runID, flowsim.Fail(next.code, next.message))
	return w.tell(ctx, runID, next, now)
}

// tell sends Adobe's event of a run that has ended.
func (w *World) tell(ctx context.Context, runID string, next *fate, now time.Time) error {
	if next.unheard {
		return nil
	}
	body, err := w.event(runID, now)
	if err != nil {
		return err
	}
	if next.twice {
		if err := w.Send(ctx, body); err != nil {
			return err
		}
	}
	return w.Send(ctx, body)
}

// event is Adobe's event of a run as EventBridge's rule puts it on the queue.
func (w *World) event(runID string, now time.Time) (string, error) {
	r, _ := flowsim.Find(w.Adobe, runID)
	text, err := json.Marshal(map[string]any{
		"version": "0", "id": w.id(), "detail-type": "Platform notifications:" + flowsim.EventCode(r),
		"source": "aws.partner/developer.adobe.com/0d3a8b53-7d2f-4e0a-9f6a-1f4c8b0f6c11", "account": "123456789012",
		"time": now.UTC().Format(time.RFC3339), "region": "us-east-1", "resources": []any{}, "detail": w.Adobe.FailureEvent(runID),
	})
	return string(text), err
}

// id makes the id of a run, which looks like one of Adobe's.
func (w *World) id() string {
	a, b := w.random.Uint64(), w.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}

// extra is something that happens again and again besides the dataflows' runs.
type extra struct {
	first, every time.Duration
	do           func(ctx context.Context, now time.Time) error
}

func (w *World) repeat(ctx context.Context, e extra, now time.Time) error {
	w.at(now.Add(e.every), func(ctx context.Context, now time.Time) error { return w.repeat(ctx, e, now) })
	return e.do(ctx, now)
}

// extras are what happens besides.
func (w *World) extras() []extra {
	return []extra{
		{2 * HourOfLife, 2 * HourOfLife, w.sweep},
		{time.Minute, 8 * HourOfLife, w.pause},
		{90 * time.Second, 7 * HourOfLife, w.noise},
		{100 * time.Second, 10 * HourOfLife, w.repairedByHand},
		{40 * time.Second, 9 * HourOfLife, w.loseAnAnswer},
		{130 * time.Second, 11 * HourOfLife, w.throttle},
		{70 * time.Second, 12 * HourOfLife, w.notDelivered},
	}
}

// sweep is the schedule's event.
func (w *World) sweep(ctx context.Context, now time.Time) error {
	return w.Invoke(ctx, fmt.Sprintf(`{"version":"0","id":%q,"detail-type":"Scheduled Event","source":"aws.events","account":"123456789012","time":%q,"region":"us-east-1","resources":[],"detail":{}}`,
		w.id(), now.UTC().Format(time.RFC3339)))
}

// pause pauses a dataflow for a while: its runs wait.
func (w *World) pause(ctx context.Context, now time.Time) error {
	w.at(now.Add(3*HourOfLife), func(ctx context.Context, _ time.Time) error {
		return w.Invoke(ctx, fmt.Sprintf(`{"resume":{"orgId":%q,"flowId":%q}}`, w.OrgID, pausedFlow))
	})
	return w.Invoke(ctx, fmt.Sprintf(`{"pause":{"orgId":%q,"flowId":%q,"reason":"the source is being moved"}}`, w.OrgID, pausedFlow))
}

// noise is a message that can't be read: a dead letter without a run.
func (w *World) noise(ctx context.Context, _ time.Time) error {
	bodies := []string{`{"runid":"` + w.id() + `"}`, `runId=` + w.id(), `{"runId":42}`}
	w.noises++
	return w.Send(ctx, bodies[(w.noises-1)%len(bodies)])
}

// repairedByHand is a run of which the event comes late: a person has retried it meanwhile,
// in Adobe's UI.
func (w *World) repairedByHand(ctx context.Context, now time.Time) error {
	failed := now.Add(-11 * time.Minute)
	id := w.id()
	w.Adobe.AddRun(flowsim.Run{
		ID: id, FlowID: repairedFlow, Status: flowsim.Failed, CreatedAt: failed.Add(-time.Minute), CompletedAt: failed, CreatedClient: "acp_ui_platform",
		Errors: []flowsim.RunError{{Code: sourceDown, Message: "Copying from the source failed: connection reset"}},
	})
	again := flowsim.RetryByHand(w.Adobe, id)
	w.fates[again] = &fate{}
	w.Adobe.End(again, flowsim.Succeed())
	return w.tell(ctx, id, &fate{}, now)
}

// notDelivered is the event of a failed run that EventBridge could not put on the request
// queue: it is a dead letter that the function has not seen, and a sweep finds the run.
func (w *World) notDelivered(ctx context.Context, now time.Time) error {
	id := w.id()
	w.Adobe.AddRun(flowsim.Run{
		ID: id, FlowID: undeliveredFlow, Status: flowsim.Failed, CreatedAt: now.Add(-time.Second), CompletedAt: now, CreatedClient: "acp_ui_platform",
		Errors: []flowsim.RunError{{Code: sourceDown, Message: "Copying from the source failed: connection reset"}},
	})
	body, err := w.event(id, now)
	if err != nil {
		return err
	}
	return w.Undelivered(ctx, body)
}

// loseAnAnswer lets the next re-trigger take effect and lose its answer: the function finds
// the run that it has made.
func (w *World) loseAnAnswer(context.Context, time.Time) error {
	w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Status: http.StatusGatewayTimeout, Body: "<html>504 Gateway Time-out</html>", ContentType: "text/html"})
	return nil
}

// throttle lets Adobe refuse the next re-trigger: too many calls.
func (w *World) throttle(context.Context, time.Time) error {
	w.Adobe.Inject(flowsim.Fault{
		Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "3"},
		Body: `{"error_code":"429050","message":"Too many requests"}`,
	})
	return nil
}
