package retrigger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// call sends the re-trigger of a claimed run, and settles the claim.
func (w *work) call() Result {
	var made flowclient.Retriggered
	noAccount, err := w.withAccount(func(account *credentials.Account) (err error) {
		if client := w.req.CreatedClient; w.view.Run.Parent != "" && client != "" && client != account.ClientID {
			w.Log.WarnContext(w.ctx, "Adobe names another client than ours as the creator of a run that our re-trigger made: lost re-triggers can't be found",
				"runId", w.req.RunID, "createdClient", client)
		}
		made, err = w.post(account)
		return err
	})
	switch {
	case noAccount != nil:
		return w.noAccount(noAccount)
	case err != nil:
		return w.notSent(err)
	}
	return w.record(made.RunID)
}

// withAccount makes a call to Flow Service, with a renewed credential if the first is
// refused. The first error means that there is no usable credential.
func (w *work) withAccount(call func(*credentials.Account) error) (noAccount, err error) {
	account, err := w.account()
	if err != nil {
		return err, nil
	}
	if err = call(account); !refused(err) {
		return nil, err
	}
	if account, err = w.accounts.Renew(w.ctx, account, err); err != nil {
		return err, nil
	}
	w.account = func() (*credentials.Account, error) { return account, nil }
	if err = call(account); !refused(err) {
		return nil, err
	}
	refusal := err
	if _, err = w.accounts.Renew(w.ctx, account, refusal); err == nil {
		err = &credentials.Error{Kind: credentials.Refused, Err: fmt.Errorf("the secret changed again while its credential was refused: %w", refusal)}
	}
	return err, nil
}

// timeToCall reports whether a whole call fits before the work must end.
func (w *work) timeToCall() bool {
	deadline, ok := w.ctx.Deadline()
	return !ok || deadline.Sub(w.Now()) >= w.CallTimeout
}

func (w *work) post(account *credentials.Account) (flowclient.Retriggered, error) {
	// The token is fetched first, so that what is left of the time is known
	// before the call that can't be repeated.
	if err := account.Client.Authorize(w.ctx); err != nil {
		return flowclient.Retriggered{}, err
	}
	if !w.timeToCall() {
		return flowclient.Retriggered{}, flowclient.ErrNoTime
	}
	return account.Client.Retrigger(w.ctx, w.req.Sandbox, w.req.RunID)
}

// look tells whether a pause holds the run. It returns a result where that can't be
// found out, and for a message of our own that is held: it looks after the pause.
func (w *work) look() *Result {
	ctx, cancel := w.asking()
	defer cancel()
	held, err := w.throttle.PauseStatus(ctx, w.req.OrgID, w.req.FlowID, w.req.Due)
	if err != nil {
		return new(w.result().returned(LedgerUnavailable, err.Error()+"; nothing was sent"))
	}
	w.paused = held
	if held.Wait > 0 && !w.req.Due.IsZero() && !w.req.DryRun {
		return new(w.stay())
	}
	return nil
}

// stay returns a message of our own that a pause holds.
func (w *work) stay() Result {
	result := w.waiting(w.Now().Add(w.paused.Wait), Paused, w.paused.Detail)
	result.Released = w.paused.Released
	return result
}

// share tells the other processes that Adobe asked the org to slow down.
func (w *work) share() {
	ctx, cancel := w.settling()
	defer cancel()
	if err := w.throttle.PublishSlowDown(ctx, w.req.OrgID); err != nil {
		w.Log.WarnContext(w.ctx, "other processes were not told to slow down", "orgId", w.req.OrgID, "error", err.Error())
	}
}

func refused(err error) bool { return errors.Is(err, flowclient.KindUnauthorized) }

// record writes the new run to the ledger. Where that fails the run is looked up
// when the request comes again.
func (w *work) record(newRunID string) Result {
	w.sent = true
	ctx, cancel := w.settling()
	defer cancel()
	v, err := w.insist(ctx, func(ctx context.Context, v ledger.View) (ledger.View, error) {
		return w.ledger.Retriggered(ctx, v, newRunID)
	})
	if err != nil && !conflicts(err) {
		w.held = unsure
		return w.expiring(LedgerUnavailable, fmt.Sprintf("it was re-triggered as run %s, which could not be recorded: %v", newRunID, err))
	}
	if err != nil && v.Run.NewRunID != newRunID {
		// The claim ran out while the answer was on its way, and another delivery
		// took the run over.
		w.Log.ErrorContext(w.ctx, "a re-trigger was answered after its claim had expired", "runId", w.req.RunID, "newRunId", newRunID, "state", string(v.Run.State))
		w.view, w.held = v, nothing
		return w.result().returned(InProgress, "another delivery took this run over")
	}
	w.view, w.held = v, nothing
	return w.remade(newRunID, "", "")
}

// notSent decides on a re-trigger that gave no new run.
func (w *work) notSent(err error) Result {
	if errors.Is(err, flowclient.ErrNoTime) {
		return w.back(Deadline, err.Error())
	}
	var fault *flowclient.Error
	if !errors.As(err, &fault) {
		return w.giveUp(verdict{reason: InternalError, message: err.Error()})
	}
	v := w.verdict(fault)
	result := w.unsent(fault, v)
	result.answer = v.answer
	return result
}

// unsent decides by Adobe's answer, or by its lack.
func (w *work) unsent(fault *flowclient.Error, v verdict) Result {
	switch fault.Kind {
	case flowclient.KindThrottled:
		w.share()
		result := w.back(Throttled, v.message)
		result.RetryAfter = fault.RetryAfter
		return result
	case flowclient.KindRejected:
		return w.rejected(v)
	case flowclient.KindNotYet:
		result := w.back(v.reason, v.message)
		result.RetryAfter = notYetWait
		return result
	case flowclient.KindUnknownOutcome:
		w.held, w.sent = unsure, true
		return w.lost(v.message)
	case flowclient.KindForbidden, flowclient.KindNotFound:
		return w.giveUp(v)
	default: // transient, or a token answer that can't be read: nothing was sent
		result := w.back(AdobeUnavailable, v.message)
		result.RetryAfter = fault.RetryAfter
		return result
	}
}

// lost returns a request whose re-trigger got no clear answer. Nothing more is
// sent under its claim, which therefore ends now; if that can't be written it
// expires by itself.
func (w *work) lost(message string) Result {
	message += ". The run may have been re-triggered: before anything is sent again, a run that it made is looked for"
	ctx, cancel := w.settling()
	defer cancel()
	v, err := w.insist(ctx, w.ledger.Yield)
	if err != nil {
		return w.expiring(OutcomeUnknown, message)
	}
	w.view = v
	result := w.result().returned(OutcomeUnknown, message)
	result.RetryAfter = w.ReconcileAfter
	return result
}

// notYetWait is the least time before a run is tried again that Adobe does not re-trigger
// yet. Ten deliveries bound how often that is done.
const notYetWait = 2 * time.Minute

// verdict reads a fault of a call that changed nothing. The catalog of Adobe's codes gives
// the reason of a refusal; for a code that it does not know the fault's kind does.
func (w *work) verdict(fault *flowclient.Error) verdict {
	v := verdict{reason: AdobeUnavailable, message: fault.Error(), answer: answer{fault.Code, fault.Status, fault.RequestID}}
	switch fault.Kind {
	case flowclient.KindForbidden:
		v.reason = Forbidden
	case flowclient.KindNotFound:
		v.reason = RunNotFound
	case flowclient.KindRejected:
		v.reason = Rejected
	case flowclient.KindNotYet:
		v.reason = NotYet
	case flowclient.KindTooLarge:
		v.reason = RunTooLarge
		return v
	case flowclient.KindThrottled:
		v.reason = Throttled
		return v
	default:
		return v
	}
	if entry, known := fault.Catalog(); known && entry.Reason != "" {
		v.reason = Reason(entry.Reason)
	}
	return v
}

// rejected asks for the run's state to tell a run that needs no retry from one
// that can't have one. Without an answer it is a dead letter, with the words of
// the rejection.
func (w *work) rejected(v verdict) Result {
	if v.reason == FlowDisabled { // whatever the run's state is
		return w.giveUp(v)
	}
	var run *flowclient.Run
	noAccount, err := w.withAccount(func(account *credentials.Account) (err error) {
		run, err = account.Client.Run(w.ctx, w.req.Sandbox, w.req.RunID)
		return err
	})
	if noAccount != nil || err != nil || needsNone(run) == "" {
		return w.giveUp(v)
	}
	return *w.end(ledger.Skipped, needsNone(run), v.message)
}

// ErrorsOf returns the first [event.MaxErrors] errors of a run that Flow Service told of,
// as a request keeps them.
func ErrorsOf(run *flowclient.Run) []event.RunError {
	all := run.Errors()
	var kept []event.RunError
	for _, e := range all[:min(len(all), event.MaxErrors)] {
		kept = append(kept, event.NewRunError(e.Code, e.Message))
	}
	return kept
}

// needsNone returns why a run in this state needs no retry, or nothing.
func needsNone(run *flowclient.Run) Reason {
	switch {
	case run.Status().Running():
		return RunInProgress
	case run.Status().Succeeded():
		return RunSucceeded
	default:
		return ""
	}
}

// inquire completes a request that tells too little of the run. The ledger is asked
// first: it knows runs that Flow Service no longer has.
func (w *work) inquire() *Result {
	ctx, cancel := w.asking()
	defer cancel()
	found, err := w.ledger.Runs(ctx, w.req.OrgID, w.req.RunID)
	if err != nil {
		return new(w.result().returned(LedgerUnavailable, err.Error()+"; nothing was sent"))
	}
	run, known := found[w.req.RunID]
	if known = known && !run.Open(w.Now()); known { // one that is worked on may be done when it is this one's turn
		w.view = ledger.Known(run)
		w.names.put(w.req.OrgID, run.FlowID, run.FlowName)
		if end := w.known(w.Now()); end != nil {
			if w.req.DryRun {
				end = new(w.would(string(end.Outcome), end.Reason, end.Message))
			}
			return end
		}
		w.view.Run.Sandbox = w.req.Sandbox
	}
	if end := w.complete(); end != nil {
		return end
	}
	if !known {
		w.view = w.guess() // what reading told is in it
	}
	return w.look() // now that the dataflow is known
}

// complete reads the run, for a request that tells too little of it. It returns a
// result where reading tells that there is nothing to retry, or fails.
func (w *work) complete() *Result {
	if w.run != nil {
		return nil
	}
	run, end := w.readRun()
	if end != nil {
		return end
	}
	w.run = run
	if !w.told { // the name may be forged, as the rest of an origin
		w.req.FlowName = ""
	}
	if run.FlowID != "" && run.FlowID != w.req.FlowID {
		w.req.FlowID, w.req.FlowName = run.FlowID, "" // it is another dataflow's
	}
	w.view.Run.FlowID = w.req.FlowID // the rest of the view may be known already
	if w.view.Flow.FlowID != w.req.FlowID {
		w.view.Flow = ledger.Flow{OrgID: w.req.OrgID, FlowID: w.req.FlowID}
	}
	w.req.CreatedAt, w.req.CreatedClient = run.CreatedAt.Time(), run.CreatedClient
	w.req.FailedAt, w.req.Errors = run.Ended(), ErrorsOf(run)
	w.askName()
	reason := needsNone(run)
	// Adobe retries a run that succeeded without a record, too.
	empty := run.Metrics.Records.Input == 0 && run.Metrics.Records.Output == 0
	if reason == "" || reason == RunSucceeded && empty || w.req.DryRun {
		return nil
	}
	return w.end(ledger.Skipped, reason, fmt.Sprintf("its status is %q", run.Status()))
}

func (w *work) readRun() (run *flowclient.Run, end *Result) {
	noAccount, err := w.withAccount(func(account *credentials.Account) (err error) {
		run, err = account.Client.Run(w.ctx, w.req.Sandbox, w.req.RunID)
		return err
	})
	switch {
	case noAccount != nil:
		return nil, new(w.noAccount(noAccount))
	case err != nil:
		return nil, new(w.unread(err))
	}
	return run, nil
}

// unread decides on a request for which Flow Service could not be read: nothing
// was sent.
func (w *work) unread(err error) Result {
	var fault *flowclient.Error
	if !errors.As(err, &fault) {
		return w.giveUp(verdict{reason: InternalError, message: err.Error()})
	}
	v := w.verdict(fault)
	switch fault.Kind {
	case flowclient.KindForbidden, flowclient.KindNotFound, flowclient.KindRejected, flowclient.KindTooLarge:
		return w.giveUp(v)
	case flowclient.KindThrottled:
		w.share()
	}
	result := w.back(v.reason, v.message)
	result.RetryAfter, result.answer = fault.RetryAfter, v.answer
	return result
}

// dryRun says what would happen, as far as reading tells.
func (w *work) dryRun() Result {
	dry := func(message string) Result { return w.result().skipped(DryRun, message) }
	if end := w.complete(); end != nil {
		return dry(fmt.Sprintf("could not be read: %s: %s", end.Reason, end.Message))
	}
	if reason := needsNone(w.run); reason != "" {
		return dry(fmt.Sprintf("would be skipped (%s)", reason))
	}
	ctx, cancel := w.asking()
	defer cancel()
	v, err := w.ledger.Look(ctx, w.view)
	if err != nil {
		return w.result().returned(LedgerUnavailable, err.Error())
	}
	w.view = v
	if w.paused.Wait > 0 {
		return dry("would wait: " + w.paused.Detail)
	}
	if end := w.known(w.Now()); end != nil {
		return w.would(string(end.Outcome), end.Reason, end.Message)
	}
	if v.Run.Sends > 0 {
		return dry("would be reconciled: it may have been re-triggered before")
	}
	switch d := w.decide(w.Now()); {
	case d.Reason != "":
		return w.would(string(d.Action), Reason(d.Reason), d.Detail)
	case !w.run.Status().Failed():
		return dry(fmt.Sprintf("would be sent to Flow Service, which decides: its status is %q", w.run.Status()))
	default:
		return dry(fmt.Sprintf("would be re-triggered, as attempt %d: it has failed", v.Lineage.Attempts+1))
	}
}

// would is the report of a dry run on what the answer would be.
func (w *work) would(answer string, reason Reason, message string) Result {
	return w.result().skipped(DryRun, fmt.Sprintf("would be answered %s (%s): %s", answer, reason, message))
}

// noAccount decides on a request for which there is no usable credential. A
// fault of a secret is an alarm and not a dead letter for each run: those
// requests come back when it is mended.
func (w *work) noAccount(err error) Result {
	var fault *credentials.Error
	if !errors.As(err, &fault) {
		return w.back(CredentialsUnavailable, err.Error())
	}
	switch fault.Kind {
	case credentials.OrgUnknown:
		return w.giveUp(verdict{reason: OrgUnknown, message: err.Error()})
	case credentials.OrgMissing:
		return w.giveUp(verdict{reason: OrgMissing, message: err.Error()})
	case credentials.Refused:
		result := w.back(CredentialsRefused, err.Error())
		result.RetryAfter = credentials.RefusalPause
		return result
	default:
		return w.back(CredentialsUnavailable, err.Error())
	}
}

// newestRuns selects the runs of the dataflow, the newest first.
func (w *work) newestRuns() flowclient.RunQuery {
	return flowclient.RunQuery{Filters: []flowclient.Filter{flowclient.Where(flowclient.PropertyFlowID, "==", w.req.FlowID)}, OrderBy: "-createdAt"}
}

// succeededSince reports whether a run of the dataflow is known to have succeeded
// since the time. The error means that there is no usable credential.
func (w *work) succeededSince(since time.Time) (succeeded bool, noAccount error) {
	noAccount, err := w.withAccount(func(account *credentials.Account) error {
		for page, err := range account.Client.RunPages(w.ctx, w.req.Sandbox, w.newestRuns()) {
			if err != nil {
				return err
			}
			succeeded = slices.ContainsFunc(page.Runs, func(run flowclient.Run) bool {
				return run.Status().Succeeded() && run.FlowID == w.req.FlowID && run.Ended().After(since)
			})
			break // the newest page tells
		}
		return nil
	})
	if err := errors.Join(noAccount, err); err != nil {
		w.Log.WarnContext(w.ctx, "whether a run of the dataflow has succeeded could not be found out", "flowId", w.req.FlowID, "error", err.Error())
	}
	return succeeded, noAccount
}
