package retry

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
)

// Notices takes notices for people; see [notice.Bus].
type Notices interface {
	Send(ctx context.Context, notices ...notice.Notice) error
}

// Episodes changes the failing episodes of dataflows; see [ledger.Episodes].
type Episodes interface {
	MarkTold(ctx context.Context, f ledger.Flow, told ...ledger.Untold) (ledger.Flow, error)
	End(ctx context.Context, f ledger.Flow, seen time.Time) (before, after ledger.Flow, err error)
}

// noticeTime is how long sending notices may take. It is a part of the time that is kept
// back for records.
const noticeTime = 2 * time.Second

// Teller tells people the news of failing episodes, and marks it as told. The news stands in
// the ledger before it is told. So a crash in between, or a bus that is away, loses nothing:
// the next sweep tells what is not marked. A crash before the mark doubles a notice, with the
// same id.
type Teller struct {
	Notices  Notices
	Episodes Episodes
	Now      func() time.Time
	Log      *slog.Logger
}

// Tell tells news of a dataflow, and returns its entry with the news marked as told. The
// error means that the news was not told, or perhaps only in part; it is logged.
func (t *Teller) Tell(ctx context.Context, f ledger.Flow, news ...ledger.Untold) (ledger.Flow, error) {
	notices := make([]notice.Notice, len(news))
	for i, one := range news {
		notices[i] = NoticeOf(f.OrgID, f.FlowID, one, t.Now())
	}
	brief, cancel := context.WithTimeout(ctx, noticeTime)
	defer cancel()
	if err := t.Notices.Send(brief, notices...); err != nil {
		t.Log.WarnContext(ctx, "a notice could not be sent: the next sweep sends it", "orgId", f.OrgID, "flowId", f.FlowID, "kind", string(notices[0].Kind), "error", err.Error())
		return f, err
	}
	marked, err := t.Episodes.MarkTold(ctx, f, news...)
	if err != nil {
		t.Log.WarnContext(ctx, "a notice was sent and could not be marked: it may come twice", "orgId", f.OrgID, "flowId", f.FlowID, "kind", string(notices[0].Kind), "error", err.Error())
		return f, nil
	}
	return marked, nil
}

// NewsOf is the news that one write has made of a dataflow's episodes. What was there before
// is told by whoever wrote it, or by a sweep.
func NewsOf(before, after *ledger.Flow) []ledger.Untold {
	was := before.Untold()
	return slices.DeleteFunc(after.Untold(), func(u ledger.Untold) bool {
		return slices.ContainsFunc(was, func(w ledger.Untold) bool { return w.News == u.News && w.Episode.Began.Equal(u.Episode.Began) })
	})
}

// NoticeOf is the notice of one piece of news. The same news has the same id.
func NoticeOf(orgID, flowID string, u ledger.Untold, now time.Time) notice.Notice {
	e := &u.Episode
	n := notice.Notice{
		OrgID: orgID, Sandbox: e.Sandbox, FlowID: flowID, FlowName: e.FlowName, Root: e.Root, RunID: e.RunID, Attempts: e.Attempts,
		FirstFailure: e.Since, Window: e.Window, Code: e.Code, Text: e.Text, Cause: cause(Reason(e.Reason)), Count: e.Count,
	}
	switch u.News {
	case ledger.FlowFailing:
		n.Kind, n.At = notice.Failing, e.Opened
	case ledger.FlowRecovered:
		n.Kind, n.At = notice.Recovered, e.Ended
	default:
		n.Kind, n.At, n.NextStep = notice.GivenUp, e.Began, nextStep(Reason(e.Reason))
	}
	if n.Kind != notice.Recovered && Reason(e.Reason) != FlowDisabled {
		n.DaysLeft = new(notice.DaysLeft(e.Since, now))
	}
	n.ID = notice.ID(n.Kind, orgID, flowID, e.Began.UTC().Format(time.RFC3339Nano))
	return n
}

// cause says in a sentence why a run was given up, with our word for it.
func cause(r Reason) string {
	text := "The function has given the run up"
	switch r {
	case AttemptsExhausted:
		text = "The run and its retries have failed"
	case BreakerOpen:
		text = "The dataflow's runs keep failing, and are not retried for now"
	case OutcomeUnknown, MadeByUnknownCall:
		text = "A retry got no answer, and what it has done can't be told"
	case FlowDisabled:
		text = "The dataflow is disabled"
	case DataError:
		text = "The run failed of its data, which a retry does not mend"
	case Forbidden:
		text = "The credential may not retry the run"
	case Rejected, NotRetryable, RunNotFound, SandboxNotFound, RunTooLarge:
		text = "Adobe does not retry the run"
	case WaitedTooLong:
		text = "The run waited too long to be retried"
	}
	return fmt.Sprintf("%s (%s).", text, r)
}

// nextStep says what a person does about a run that was given up; empty for what counts for
// all.
func nextStep(r Reason) string {
	switch r {
	case AttemptsExhausted:
		return "Mend the cause of the failure, then send the run with force."
	case BreakerOpen:
		return "Mend the cause of the failures. When a run has succeeded, send the dead letters again."
	case OutcomeUnknown, MadeByUnknownCall:
		return "Look for a newer run of the dataflow in Adobe's UI. If there is none, send the run with force."
	case FlowDisabled:
		return "Adobe disables a dataflow that fails for 30 days on end. Only a person can enable it: do that in Adobe's UI, then send the dead letter again."
	case DataError:
		return "Correct the data, then send the run with force."
	case Forbidden:
		return "Give the credential's role Manage Sources in the sandbox, then send the dead letter again."
	case NotRetryable, RunTooLarge:
		return "Retry the run in Adobe's UI if that offers it."
	}
	return ""
}

// disabled says how long a dataflow had failed that is disabled. Adobe's answer has the next step.
func disabled(f *Facts, now time.Time) string {
	since := f.Request.FailedAt
	if since.IsZero() {
		since = f.Entries.Run.FirstSeen
	}
	if counted := f.Entries.Flow.Since; !counted.IsZero() {
		since = counted
	}
	if e := f.Entries.Flow.Failing(); e != nil {
		since = e.Since
	}
	text := "How long the dataflow had failed is not known"
	if !since.IsZero() {
		text = fmt.Sprintf("The dataflow had failed for %s or more, since %s", english.Length(now.Sub(since)), since.UTC().Format(time.RFC3339))
	}
	return text + ". Only a person can enable it."
}

// GivesUp reports whether a dead letter with this reason gives up a run that a retry might
// have saved, so that it belongs to a failing episode of its dataflow. Where nothing is known
// of the run's org or sandbox, or its credential is missing, that says nothing of the
// dataflow.
func (r Reason) GivesUp() bool {
	return !slices.Contains([]Reason{OrgUnknown, OrgMissing, SandboxMissing, CredentialsRefused, CredentialsUnavailable}, r)
}

// tell tells the news that a write of this attempt has made of its dataflow's episodes. It
// never fails a request.
func (w closer) tell(before ledger.Flow) {
	if w.Teller == nil {
		return
	}
	flow := &w.facts.Entries.Flow
	news := NewsOf(&before, flow)
	if len(news) == 0 {
		return
	}
	ctx, cancel := w.recording()
	defer cancel()
	after, err := w.Teller.Tell(ctx, *flow, news...)
	*flow, w.untold = after, w.untold || err != nil
}
