package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	// longestRun is how long before its failure a run may have begun, where Flow
	// Service can only be asked for runs by when they started.
	longestRun = 24 * time.Hour
	// skew is how far Flow Service's times of one run may contradict each other.
	skew = time.Minute
	// maxStale is how often a listing begins again at the same place.
	maxStale = 3
	// lostAfter is how long after its last change an entry still stands for a
	// message that will come. It is for messages that were lost, if ever one is.
	lostAfter = 12 * time.Hour
	// maxTooLarge is how many runs of a sandbox a listing leaves out for their size. Each is
	// one more filter in the URL.
	maxTooLarge = 20
	// leastPage is below what failures make no page: after an outage the listing is to go
	// on at a bearable pace.
	leastPage = 10
	// concurrentNotes is how many entries of the ledger are written at once.
	concurrentNotes = 5
	// maxCall bounds a call of the ledger.
	maxCall = 5 * time.Second
)

// page lists one page of the part's sandbox and requests what is to be requested, or
// lets the part wait.
func (w *work) page() error {
	target := w.at.target()
	if !w.req.DryRun {
		pause, err := w.throttle.PauseStatus(w.ctx, target.OrgID, "", time.Time{})
		if err == nil && pause.Wait > 0 {
			w.addReason(retrigger.Paused)
			w.postpone(pause.Wait)
			return nil
		}
		if err == nil {
			err = w.loadSchedule(target.OrgID)
		}
		if err != nil {
			return err
		}
		if wait := w.schedule.next.Sub(w.Now()); wait > maxAhead {
			w.postpone(wait - maxAhead/2)
			return nil
		}
	}
	page, err := w.list(target, w.query())
	if err != nil {
		return w.handleFailure(err)
	}
	if again, err := w.allOrNothing(func() error { return w.handle(target, page) }); again || err != nil {
		return err
	}
	w.at.Failures = 0
	w.postpone(0) // the others come first
	w.p.Report.Pages++
	w.at.Token = page.Next
	w.at.PageSize, w.at.Listed = page.NextLimit(w.at.maxPage()), page.Limit
	switch {
	case w.p.Report.Limited:
		w.p.Parts = nil
	case page.Next == "":
		w.at.nextSandbox(w.p.Since)
	}
	return w.save()
}

// allOrNothing calls do, which deals with runs of the listing. If do fails, it takes back
// what it has counted, so that no run counts twice, and again is true: the runs are dealt
// with later. The error is one that ends the invocation's work on the sweep.
func (w *work) allOrNothing(do func() error) (again bool, err error) {
	before, report, added := *w.at, w.p.Report.clone(), w.added.clone()
	if err = do(); err == nil {
		return false, nil
	}
	*w.at, w.p.Report, w.added = before, report, added
	if errors.As(err, new(*store.UnavailableError)) && w.ctx.Err() == nil {
		return true, err
	}
	return true, w.handleFailure(err)
}

// query asks for the failed runs of the sandbox, the oldest first, so that those
// that fail meanwhile come at the end. A run that failed in the time of the sweep was
// changed then or later.
func (w *work) query() flowclient.RunQuery {
	property, from := flowclient.PropertyUpdatedAt, w.at.From
	if w.at.ByStart {
		property = flowclient.PropertyStartedAt
		if !w.restarted() {
			from = from.Add(-longestRun)
		}
	}
	q := flowclient.RunQuery{
		Filters: []flowclient.Filter{
			flowclient.Where(flowclient.PropertyStatus, "==", "failed,Failed,FAILED"),
			flowclient.WhereTime(property, ">", from.Add(-skew)),
		},
		OrderBy: "createdAt", ContinuationToken: w.at.Token, Limit: min(cmp.Or(w.at.PageSize, w.at.maxPage()), w.at.maxPage()),
	}
	if len(w.p.Flows) > 0 && !slices.ContainsFunc(w.p.Flows, func(id string) bool { return strings.Contains(id, ",") }) {
		q.Filters = append(q.Filters, flowclient.Where(flowclient.PropertyFlowID, "==", strings.Join(w.p.Flows, ",")))
	}
	for _, id := range w.at.TooLarge {
		q.Filters = append(q.Filters, flowclient.Where(flowclient.PropertyID, "!=", id))
	}
	return q
}

// restarted reports whether the listing has begun again at a run's creation.
func (w *work) restarted() bool { return !w.at.From.Equal(w.p.Since) }

// handleFailure decides what to do after a page could not be listed.
func (w *work) handleFailure(err error) error {
	if w.ctx.Err() != nil {
		return nil // the time is over, and the page will be repeated
	}
	fault, ok := errors.AsType[*flowclient.Error](err)
	kind := flowclient.KindTransient
	if ok && !errors.As(err, new(*credentials.Error)) { // a refused credential may be mended, whatever Adobe said to it
		kind = fault.Kind
	}
	target := w.at.target()
	switch kind {
	case flowclient.KindThrottled:
		if err := w.throttle.PublishSlowDown(w.ctx, target.OrgID); err != nil {
			w.Log.WarnContext(w.ctx, "other processes were not told to slow down", "orgId", target.OrgID, "error", err.Error())
		}
		w.addReason(retrigger.Throttled)
		if w.req.DryRun {
			w.fault = err.Error() // it does not wait
		}
		w.postpone(max(fault.RetryAfter, time.Second))
		return nil
	case flowclient.KindRejected, flowclient.KindNotFound:
		switch {
		case w.at.Token != "" && w.restart(err):
			return w.save()
		case w.at.Token == "" && kind == flowclient.KindRejected && !w.at.ByStart && len(w.at.TooLarge) == 0:
			w.Log.WarnContext(w.ctx, "Flow Service does not list runs by their last change; they are listed by their start, which misses those that started more than a day before they failed, or never",
				"sweepId", w.req.ID, "orgId", target.OrgID, "sandbox", target.Sandbox, "error", err.Error())
			w.at.ByStart = true
			return w.save()
		}
		return w.abandon(err)
	case flowclient.KindForbidden:
		return w.abandon(err)
	case flowclient.KindTooLarge:
		return w.leaveOut(fault)
	}
	return w.tryLater(err)
}

// leaveOut goes on without a run that is too large to be listed, if Flow Service tells its
// id. The run is requested by that alone: when its turn comes it is read, and it becomes a
// dead letter that says so. The listing begins again at the last time seen, since a
// continuation token counts for the same filters only.
func (w *work) leaveOut(fault *flowclient.Error) error {
	id := fault.Resource
	if fault.Op != flowclient.OpRuns || id == "" || strings.Contains(id, ",") || slices.Contains(w.at.TooLarge, id) || len(w.at.TooLarge) == maxTooLarge {
		return w.abandon(fault)
	}
	target := w.at.target()
	w.Log.WarnContext(w.ctx, "a run is too large to be listed; the sweep goes on without it", "sweepId", w.req.ID, "orgId", target.OrgID, "sandbox", target.Sandbox, "runId", id, "error", fault.Error())
	run := flowclient.Run{ID: id}
	run.Metrics.Status.Status = "failed" // Flow Service has listed it as such
	if len(w.p.Flows) == 1 {
		run.FlowID = w.p.Flows[0]
	}
	if len(w.p.Codes) > 0 { // the run's errors are not known, so nothing is requested
		w.p.Report.fail(target, fmt.Sprintf("run %s is too large to be listed, so that it is not known whether it failed with one of the codes: send it by itself. %v", id, fault))
	} else if again, err := w.allOrNothing(func() error { return w.deal(target, []*flowclient.Run{&run}) }); again || err != nil {
		return err
	}
	w.at.TooLarge, w.at.Token, w.at.Requested, w.at.PageSize = append(slices.Clip(w.at.TooLarge), id), "", 0, 0
	if w.at.MaxPage > 0 { // that run may have been why
		w.at.MaxPage = max(w.at.MaxPage, leastPage)
	}
	if w.at.From = w.p.Since; !w.at.Unordered && !w.at.Last.IsZero() {
		w.at.From = w.at.Last
	}
	return w.save()
}

// tryLater counts a failure, and lets the part wait before the page is tried again. From now
// on pages are smaller: this one may have taken Flow Service too long. After too many
// failures, or in a dry run, which does not wait, the sandbox is given up.
func (w *work) tryLater(err error) error {
	w.noteFault(err)
	w.at.Failures++
	w.at.MaxPage = max(w.at.maxPage()/2, min(leastPage, w.at.maxPage()))
	switch {
	case w.req.DryRun:
		return w.abandon(err)
	case refusedCredential(err): // it is mended in the secret, and then the sweep goes on
		w.at.Failures = min(w.at.Failures, maxFailures-1)
	case w.at.Failures >= maxFailures:
		return w.abandon(fmt.Errorf("%d failures in a row: %w", w.at.Failures, err))
	}
	target := w.at.target()
	w.Log.WarnContext(w.ctx, "a page of a sweep could not be listed; it is tried again", "sweepId", w.req.ID, "orgId", target.OrgID, "sandbox", target.Sandbox, "failures", w.at.Failures, "error", err.Error())
	w.postpone(min(firstBackoff<<(w.at.Failures-1), maxBackoff))
	return w.save()
}

// refusedCredential reports whether IMS or Adobe refuse the org's credential, whatever is
// asked for.
func refusedCredential(err error) bool {
	credential, ok := errors.AsType[*credentials.Error](err)
	return ok && credential.Kind == credentials.Refused || errors.Is(err, flowclient.KindUnauthorized)
}

// restart begins the listing again, since its continuation token is refused: at the
// last time seen, if the runs have come in order; otherwise at the beginning, since
// runs from before may be missing. It reports whether that makes sense.
func (w *work) restart(err error) bool {
	from := w.p.Since
	if !w.at.Unordered && !w.at.Last.IsZero() {
		from = w.at.Last
	}
	// Flow Service may take a token only with the page size for which it gave it. So from
	// now on pages are no larger than the last one that was listed.
	most := w.at.maxPage()
	size := max(min(cmp.Or(w.at.Listed, most), most), min(leastPage, most))
	switch {
	case from.After(w.at.From) || w.at.Requested > 0:
		w.at.Stale = 0
	case size < most:
	case most > 1: // the page that was refused may have been made smaller meanwhile
		size = most / 2
	default:
		if w.at.Stale++; w.at.Stale == maxStale {
			return false // it goes round in a circle
		}
	}
	w.at.MaxPage, w.at.PageSize = size, 0
	w.Log.WarnContext(w.ctx, "the continuation token of a sweep is no longer valid; it begins again at the last time seen", "sweepId", w.req.ID, "from", stamp(from), "error", err.Error())
	w.at.From, w.at.Token, w.at.Requested = from, "", 0
	w.p.Report.Restarts++
	return true
}

// abandon gives the part's sandbox up: what is left of it becomes a dead letter.
func (w *work) abandon(err error) error {
	target := w.at.target()
	rest := w.req
	message := fmt.Sprintf("the runs of org %s, sandbox %s can't be listed: %v", target.OrgID, target.Sandbox, err)
	if w.at.Secrets {
		rest.OrgIDs = slices.DeleteFunc(slices.Clone(rest.OrgIDs), w.has)
		message = "an org's runs can't be listed: " + err.Error()
	} else {
		rest.OrgIDs, rest.Sandboxes = []string{target.OrgID}, []string{target.Sandbox}
	}
	w.Log.ErrorContext(w.ctx, "a part of a sweep is given up", "sweepId", w.req.ID, "orgId", target.OrgID, "sandbox", target.Sandbox, "error", message)
	if !w.req.DryRun {
		if !w.giveUp(w.outer, rest, target.OrgID, message) {
			w.addReason(retrigger.DeadLetterQueueUnavailable)
			return errors.New(message + ", and the dead letter of it could not be written")
		}
		w.gaveUp++
	}
	w.p.Report.fail(target, message)
	w.at.nextSandbox(w.p.Since)
	return w.save()
}

// handle requests the runs of a page that are to be requested.
func (w *work) handle(target Target, page flowclient.RunPage) error {
	var seen []*flowclient.Run
	for i := range page.Runs {
		if run := &page.Runs[i]; w.see(run) {
			seen = append(seen, run)
		}
	}
	return w.deal(target, seen)
}

// deal requests those of the runs that are to be requested.
func (w *work) deal(target Target, runs []*flowclient.Run) error {
	var failed []*flowclient.Run
	var ids []string
	for _, run := range runs {
		w.p.Report.Seen++
		w.p.Report.flow(run.FlowID).Seen++
		w.added.Seen++
		if w.wanted(target, run) && !slices.Contains(ids, run.ID) {
			failed, ids = append(failed, run), append(ids, run.ID)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(w.ctx, maxCall)
	defer cancel()
	known, err := w.ledger.Runs(ctx, target.OrgID, ids...)
	if err != nil {
		return err
	}
	if err := w.loadFlows(target, failed, known); err != nil {
		return err
	}
	var requests []requested
	for _, run := range failed {
		entry, ok := known[run.ID]
		if !ok {
			entry = ledger.Guess(target.OrgID, run.FlowID, target.Sandbox, run.ID).Run
		}
		reason, detail, err := w.judge(target, run, entry)
		if err != nil {
			return err
		}
		w.describe(target, run, &entry)
		if reason == "" && !w.isOwn(entry) {
			requests = append(requests, w.request(target, run, entry))
		}
		w.count(target, run, &entry, reason, detail)
	}
	if w.req.DryRun {
		return nil
	}
	return w.send(target, requests)
}

// describe completes a run's entry with what people want to know of it: the dataflow's
// name, and why the run failed.
func (w *work) describe(target Target, run *flowclient.Run, entry *ledger.Run) {
	entry.FlowName = cmp.Or(w.names[flowKey(target, run.FlowID)], entry.FlowName)
	if errs := retrigger.ErrorsOf(run); len(errs) > 0 {
		entry.ErrorCode, entry.ErrorText = errs[0].Code, errs[0].Message
	}
}

// isOwn reports whether this sweep has requested the run already.
func (w *work) isOwn(entry ledger.Run) bool {
	return entry.State == ledger.Deferred && entry.Reason == w.mark()
}

// see takes note of when a run was created, and reports whether it was not seen
// before.
func (w *work) see(run *flowclient.Run) bool {
	created := run.CreatedAt.Time()
	if w.restarted() && (created.Before(w.at.From) || slices.Contains(w.at.LastIDs, run.ID)) {
		return false
	}
	switch {
	case created.IsZero(), created.Before(w.at.Last):
		w.at.Unordered = true
	case created.After(w.at.Last):
		w.at.Last, w.at.LastIDs = created, []string{run.ID}
	case len(w.at.LastIDs) < flowclient.DefaultPageSize:
		w.at.LastIDs = append(slices.Clip(w.at.LastIDs), run.ID)
	}
	return true
}

// wanted reports whether a run is one that is asked for. The filters of Flow Service
// are not relied on: Adobe writes statuses in several ways, and what it does with a
// filter that it does not know is nowhere said.
func (w *work) wanted(target Target, run *flowclient.Run) bool {
	at := run.Ended()
	// A time that is not known, or is still to come, says nothing: the filter of Flow
	// Service has selected the run.
	known := !at.IsZero() && at.Before(w.Now().Add(ledger.MaxClockSkew))
	switch {
	case !run.Status().Failed(), known && (at.Before(w.p.Since) || !at.Before(w.p.Until)):
		return false
	case run.OrgID != "" && run.OrgID != target.OrgID, run.SandboxName != "" && run.SandboxName != target.Sandbox:
		return false
	case len(w.p.Flows) > 0 && run.FlowID != "" && !slices.Contains(w.p.Flows, run.FlowID): // without one, Flow Service's filter has selected it
		return false
	case len(w.p.Codes) == 0:
		return true
	}
	codes := policy.Patterns(w.p.Codes)
	return slices.ContainsFunc(run.Errors(), func(e flowclient.RunError) bool { return codes.Match(e.Code) })
}

// judge returns why a failed run is not requested, or nothing; then the detail is
// what a dry run says of it.
func (w *work) judge(target Target, run *flowclient.Run, entry ledger.Run) (reason Reason, detail string, err error) {
	pause, err := w.throttle.PauseStatus(w.ctx, target.OrgID, run.FlowID, time.Time{})
	switch {
	case err != nil:
		return "", "", err
	case w.isOwn(entry):
		return "", "", nil
	case run.Downstream():
		return DownstreamRun, "it follows a run of another dataflow, which is the one to retry", nil
	}
	if reason, detail := w.dealtWith(entry, pause); reason != "" {
		return reason, detail, nil
	}
	if d := w.decide(target, run, entry); d.Action == policy.Skip {
		return Reason(d.Reason), d.Detail, nil
	}
	switch {
	case w.p.Report.Requested >= w.p.Limit:
		w.p.Report.Limited = true
		return OverLimit, fmt.Sprintf("the sweep has requested %d runs, its limit", w.p.Limit), nil
	case w.streaming[flowKey(target, run.FlowID)]:
		return StreamingRun, "its dataflow has no schedule, as those of streaming sources", nil
	case pause.Wait > 0:
		return "", "it waits on the request queue: " + pause.Detail, nil
	}
	return "", "", nil
}

// dealtWith reads from the ledger's entry whether somebody has dealt with the run,
// or will.
func (w *work) dealtWith(entry ledger.Run, pause throttle.PauseStatus) (Reason, string) {
	now := w.Now()
	recent := now.Before(entry.ChangedAt.Add(lostAfter)) || now.Before(entry.Due.Add(lostAfter)) || now.Before(entry.ClaimUntil.Add(lostAfter))
	switch entry.State {
	case ledger.Retriggered:
		return Superseded, "it was re-triggered as run " + entry.NewRunID + ", with which its lineage goes on"
	case ledger.DeadLettered:
		return Reason(cmp.Or(entry.Reason, string(DeadLettered))), "its dead letter was written"
	case ledger.Skipped:
		if entry.Reason == string(event.RunInProgress) || entry.Reason == string(event.RunSucceeded) {
			return "", "" // it was not failed then
		}
		return Reason(cmp.Or(entry.Reason, string(Skipped))), "an earlier request for it was skipped"
	case ledger.Claimed, ledger.Held:
		if recent {
			return InProgress, "it is being re-triggered"
		}
	case ledger.Deferred:
		if recent || pause.Wait > 0 || entry.Reason == string(retrigger.Paused) {
			return Waiting, "a request for it waits: " + entry.Reason
		}
	case ledger.Returned:
		if recent {
			return Waiting, "a request for it will be delivered again: " + entry.Reason
		}
	}
	return "", ""
}

// decide asks the policy, as far as the run's entry tells of its history.
func (w *work) decide(target Target, run *flowclient.Run, entry ledger.Run) policy.Decision {
	now := w.Now()
	r := policy.Run{ID: run.ID, FlowID: run.FlowID, Sandbox: target.Sandbox, FailedAt: run.Ended()}
	for _, e := range run.Errors() {
		r.Errors = append(r.Errors, policy.Error{Code: e.Code, Message: e.Message})
	}
	return w.Policy.Decide(r, policy.History{Attempts: entry.Attempt + entry.Sends, Forgiven: entry.Forgiven, FirstSeen: now}, now)
}

// count puts a failed run into the report.
func (w *work) count(target Target, run *flowclient.Run, entry *ledger.Run, reason Reason, detail string) {
	r := RunReport{
		RunID: run.ID, FlowID: run.FlowID, FlowName: entry.FlowName, ErrorCode: entry.ErrorCode, ErrorText: entry.ErrorText,
		OrgID: target.OrgID, Sandbox: target.Sandbox, Decision: "requested", Reason: reason, Detail: detail,
	}
	flow := w.p.Report.flow(run.FlowID)
	if w.p.Report.Flows[run.FlowID] != nil { // it is not among the others
		flow.Name = cmp.Or(entry.FlowName, flow.Name)
	}
	for _, c := range []*Counts{&w.p.Report.Counts, &flow.Counts, &w.added} {
		c.Failed++
		if reason == "" {
			c.Requested++
		} else {
			r.Decision = "skipped"
			c.skip(reason)
		}
	}
	if !w.req.DryRun {
		w.Log.DebugContext(w.ctx, "a failed run is "+r.Decision, "sweepId", w.req.ID, "runId", r.RunID, "flowId", r.FlowID, "flowName", r.FlowName,
			"errorCode", r.ErrorCode, "errorText", r.ErrorText, "reason", string(reason), "detail", detail)
		return
	}
	if len(w.runs) == maxListed {
		w.left++
		return
	}
	w.runs = append(w.runs, r)
}

// mark is the reason in the ledger of a run that this sweep has requested.
func (w *work) mark() string { return "sweep " + w.req.ID }

// requested is a run that goes on the request queue.
type requested struct {
	entry   ledger.Run
	waiting requestqueue.Waiting
}

func (w *work) request(target Target, run *flowclient.Run, entry ledger.Run) requested {
	entry.FlowID, entry.Sandbox = run.FlowID, target.Sandbox
	req := event.Request{RunID: run.ID, FlowID: run.FlowID, OrgID: target.OrgID, Sandbox: target.Sandbox, Reason: "found by " + w.mark()}
	req.Origin = event.Origin{
		FlowName: entry.FlowName, FailedAt: run.Ended(), Errors: retrigger.ErrorsOf(run), CreatedClient: run.CreatedClient, CreatedAt: run.CreatedAt.Time(), FirstSeen: w.Now().UTC().Truncate(time.Millisecond),
		Root: entry.Root, Parent: entry.Parent, Attempts: entry.Attempt, Forgiven: entry.Forgiven, Requeues: w.req.Requeues + 1,
	}
	return requested{entry, requestqueue.Waiting{Request: req}}
}

// send puts requests on the queue, and notes in the ledger that they wait there. It
// is in this order that nothing gets lost: a run that is requested twice, because
// the function died in between, is retried once. Where some could not be sent, those
// that could are noted, so that the page can be repeated. A request that SQS refuses for
// its content becomes a dead letter, and the page goes on.
func (w *work) send(target Target, requests []requested) error {
	if len(requests) == 0 {
		return nil
	}
	w.at.Requested += len(requests)
	due, err := w.reserveSlots(target.OrgID, len(requests))
	if err != nil {
		return err
	}
	now := w.Now()
	messages := make([]requestqueue.Waiting, len(requests))
	for i := range requests {
		requests[i].waiting.Request.Due, requests[i].waiting.Delay = due, due.Sub(now)
		messages[i] = requests[i].waiting
		due = due.Add(w.Pace)
	}
	errs := w.requests.Send(w.ctx, messages)
	unnoted := w.noteSent(requests, errs)
	for i, r := range requests {
		if refused, ok := errors.AsType[*requestqueue.RefusedError](errs[i]); ok {
			errs[i] = w.refused(r.waiting.Request, refused)
		}
	}
	unsent := slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(unsent) > 0 {
		return fmt.Errorf("%d of %d requests of a page could not be sent, the first since: %w", len(unsent), len(requests), unsent[0])
	}
	return unnoted
}

// noteSent notes in the ledger that those requests wait that were sent without an error.
// It returns an error of the ledger, if there was one.
func (w *work) noteSent(requests []requested, errs []error) error {
	var unnoted atomic.Pointer[error]
	var group errgroup.Group
	group.SetLimit(concurrentNotes)
	for i, r := range requests {
		if errs[i] != nil {
			continue
		}
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(w.ctx, maxCall)
			defer cancel()
			r.entry.Told = r.waiting.Request.Fingerprint()
			_, err := w.ledger.Note(ctx, ledger.Known(r.entry), ledger.Deferred, w.mark(), r.waiting.Request.Due)
			if err != nil && !errors.As(err, new(*store.ConflictError)) { // after a conflict somebody else deals with it
				unnoted.Store(&err)
			}
			return nil
		})
	}
	_ = group.Wait() // the error is in unnoted
	if err := unnoted.Load(); err != nil {
		return *err
	}
	return nil
}

// refused makes a dead letter of a run's request that SQS refuses, and counts the run as
// skipped. It returns an error where the dead letter could not be written.
func (w *work) refused(req event.Request, why *requestqueue.RefusedError) error {
	message := "the run was found by a sweep, and its request can't be sent: " + why.Error()
	if !w.giveUpRun(w.outer, req, message) {
		w.addReason(retrigger.DeadLetterQueueUnavailable)
		return errors.New(message + ", and the dead letter of it could not be written")
	}
	w.gaveUp++
	for _, c := range []*Counts{&w.p.Report.Counts, &w.p.Report.flow(req.FlowID).Counts, &w.added} {
		c.Requested--
		c.skip(Reason(retrigger.Unsendable))
	}
	return nil
}
