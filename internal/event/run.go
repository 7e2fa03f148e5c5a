package event

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

// Limits of what is kept of a run's errors.
const (
	// MaxErrors is how many are kept.
	MaxErrors = 10

	maxErrorText = 500
)

// runOrAlert reads an object that is a run, or one of Adobe's alerts. It reports false
// for anything else.
func runOrAlert(o object, a around) (Item, bool) {
	if status, is := statusOf(o); is {
		return readRun(o, status, a), true
	}
	if reason, detail, is := alert(o); is && (reason != ForeignEvent || a.sender == person) {
		return Item{Skip: &Skip{
			Reason: reason, Detail: detail,
			RunID: short(o.text("flowRunId")), FlowID: short(o.text("flowId")), OrgID: short(orgOf(o)), Sandbox: short(o.text("sandboxName")),
		}, Raw: o.raw}, true
	}
	return Item{}, false
}

// statusOf returns the status of a run, and whether the object is one: it has the text
// metrics.statusSummary.status beside an id or a dataflow. So is one that has a part of
// this path in two spellings, of which the second may have the status.
func statusOf(o object) (string, bool) {
	if !o.has("metrics") || !o.hasAny("id", "flowId") {
		return "", false
	}
	metrics := o.object("metrics")
	summary := metrics.object("statusSummary")
	status := summary.text("status")
	return status, status != "" || bytes.Contains(bytes.ToLower(o.raw), []byte("statussummary")) &&
		(o.clash("metrics") != nil || metrics.clash("statusSummary") != nil || summary.clash("status") != nil)
}

// isWhole reports whether an object has the id and the dataflow of a run.
func isWhole(o object) bool { return o.text("id") != "" && o.text("flowId") != "" }

// alert recognizes Adobe's messages that name no failed run. All that Adobe documents
// have a name and a status of an alert. A code or the id of a run is not enough, since a
// failure in an undocumented shape may have it, too: an alert on a run must say that it is
// about a delay. And a run in it is only quoted where
// the name is that of an alert.
func alert(o object) (reason SkipReason, detail string, is bool) {
	code := cmp.Or(o.object("header").object("_adobeio").text("eventCode"), o.text("eventCode"), o.text("xdm:eventCode"))
	name, holdsRun := folded(o.text("name")), bytes.Contains(o.raw, []byte("statusSummary"))
	errorRate := strings.Contains(name, "errorrate")
	firing := isAlertState(o.text("status")) && isAlertOfSources(name, code) && (!holdsRun || errorRate)
	switch {
	case o.text("xdm:ingestionId") != "" && !holdsRun, strings.HasPrefix(code, "ing_") && !isNested(o):
		return IngestionEvent, "a data-ingestion event names no run", true
	case strings.HasPrefix(name, "sourcesflowrundelay"), firing && strings.Contains(name, "delay"):
		return RunDelayedAlert, "an alert that the run takes long; the run has not failed", true
	case firing && (errorRate || o.text("flowRunId") == ""):
		return ErrorRateAlert, "an alert that names no run", true
	case o.has("challenge") && len(o.members) == 1:
		return ForeignEvent, "a challenge of Adobe I/O Events, which is for webhooks", true
	}
	return "", "", false
}

// isAlertOfSources reports whether a folded name or a code is that of an alert on sources
// that tells of no failure.
func isAlertOfSources(name, code string) bool {
	ofSources := strings.HasPrefix(name, "source") || strings.HasPrefix(code, "source")
	ofFailure := strings.Contains(name+code, "fail") || strings.Contains(name, "error") && !strings.Contains(name, "errorrate")
	return ofSources && !ofFailure
}

// isNested reports whether an object has objects or lists in it, beside its header.
func isNested(o object) bool {
	return slices.ContainsFunc(o.members, func(m member) bool {
		inner := bytes.TrimPrefix(m.value, []byte(`"`)) // a text may hold JSON
		return begins(inner, '{') && m.name != "header" || begins(inner, '[')
	})
}

// isAlertState reports whether a status is one of an alert. Adobe documents FIRING; the
// others are the usual ones of alerts. No run and no delivery has one of them.
func isAlertState(status string) bool {
	return slices.Contains([]string{"firing", "alerting", "triggered", "resolved", "normal", "inactive"}, folded(status))
}

// orgOf returns the org that a run or an alert names.
func orgOf(o object) string {
	return cmp.Or(o.text("imsOrgId"), o.object("header").object("_adobeio").text("imsOrgId"))
}

// runClash refuses a run in which a name that decisions rest on stands twice, or in two
// spellings.
func runClash(o object) *Error {
	metrics, header := o.object("metrics"), o.object("header")
	for _, check := range []struct {
		of    object
		names []string
	}{
		{o, []string{"id", "flowId", "imsOrgId", "sandboxName", "metrics", "header", "predecessors", "createdAt", "updatedAt", "createdClient", "activities", "flowName"}},
		{metrics, []string{"statusSummary", "durationSummary"}},
		{metrics.object("statusSummary"), []string{"status", "errors", "extensions"}},
		{metrics.object("durationSummary"), []string{"startedAtUTC", "completedAtUTC"}},
		{header, []string{"_adobeio"}},
		{header.object("_adobeio"), []string{"imsOrgId"}},
	} {
		if fault := check.of.clash(check.names...); fault != nil {
			return fault
		}
	}
	for _, m := range o.members { // which of the org's sandboxes it is, must not be guessed
		if m.name != "sandboxName" && similar(m.name, "sandboxName") {
			return unknownField(m.name, []string{"sandboxName"})
		}
	}
	return nil
}

// readRun decides on a run by its status.
func readRun(o object, status string, a around) Item {
	id, flowID, sandbox := o.text("id"), o.text("flowId"), o.text("sandboxName")
	outside := a
	orgs, oddOrg := a.orgsOf(o)
	orgID, agree := oneOf(orgs...)
	item := func(s *Skip, e *Error) Item {
		if e != nil {
			e.RunID, e.FlowID, e.OrgID = short(id), short(flowID), short(orgID)
			return Item{Raw: outside.part(o.raw), Err: e}
		}
		s.RunID, s.FlowID, s.OrgID, s.Sandbox = short(id), short(flowID), short(orgID), short(sandbox)
		return Item{Raw: o.raw, Skip: s}
	}
	if fault := runClash(o); fault != nil { // one of two statuses may be a failure
		return item(nil, fault)
	}
	switch known, reason := skipReason(status); {
	case !known:
		return item(nil, faultf(RunStatusUnknown, "the run's status is %s, which Adobe does not document: look at the run in AEP, and retry it by hand if it has failed", excerpt([]byte(status))))
	case reason == RunPartlySucceeded:
		return item(&Skip{Reason: reason, Detail: "only failed runs can be retried"}, nil)
	case reason != "":
		return item(&Skip{Reason: reason}, nil)
	case follows(o):
		return item(&Skip{Reason: DownstreamRun, Detail: "the run follows another dataflow's run: retry that one"}, nil)
	}
	var fault *Error
	if sandbox, fault = a.sandboxOf(o, agree); fault != nil {
		return item(nil, fault)
	}
	if id == "" {
		return item(nil, faultf(MissingRunID, "the failed run has no id that is a text"))
	}
	if err := ValidRunID(id); err != nil {
		return item(nil, faultf(InvalidRunID, "%v", err))
	}
	if oddOrg != nil { // a guess could be another org's
		return item(nil, oddOrg)
	}
	if fault := validNames([]named{{"flowId", flowID}, {"imsOrgId", orgID}, {"sandboxName", sandbox}}); fault != nil {
		return item(nil, fault)
	}
	created := aeptime.Parse(o.get("createdAt"))
	return Item{Raw: o.raw, Request: &Request{
		RunID: id, FlowID: flowID, OrgID: orgID, Sandbox: sandbox, Source: FromAdobe,
		Origin: Origin{
			EventID: bounded(a.eventID, MaxID), FlowName: bounded(o.text("flowName"), maxErrorText), FailedAt: endOf(o, created),
			CreatedAt: created, CreatedClient: bounded(o.text("createdClient"), MaxID), Window: windowOf(o), Errors: errorsOf(o),
		},
	}}
}

// sandboxOf returns the sandbox of a run, or the one that is named around it. It refuses a
// run whose org or sandbox is not clear.
func (a around) sandboxOf(run object, orgsAgree bool) (string, *Error) {
	sandbox, value := run.text("sandboxName"), run.get("sandboxName")
	switch {
	case value != nil && value[0] != '"' && string(value) != "null":
		return sandbox, wrongType("sandboxName", "a string", value)
	case !orgsAgree:
		return sandbox, faultf(OrgMismatch, "the event names two orgs: imsOrgId of the run and of what is around it differ")
	case sandbox != "":
		return sandbox, nil
	}
	sandbox, agree := oneOf(a.sandboxes...)
	if !agree {
		return sandbox, faultf(InvalidField, "the event names two sandboxes around a run that names none")
	}
	return sandbox, nil
}

// orgsOf returns the orgs that a run and what is around it name. Where the run names its
// org, only its header can disagree: its inputs and the like may be of another org.
func (a around) orgsOf(run object) ([]string, *Error) {
	own, value := run.text("imsOrgId"), run.get("imsOrgId")
	switch {
	case value != nil && value[0] != '"' && string(value) != "null": // a guess could be another org's
		return nil, wrongType("imsOrgId", "a string", value)
	case own == "":
		a, fault := a.named(run, "metrics", "activities")
		return append(slices.Clip(a.orgs), a.hints...), fault
	}
	a, fault := a.namedIn(run, 1, nil)
	if fault == nil {
		a, fault = a.namedWithin(member{"header", run.get("header")}, headerDepth)
	}
	return append([]string{own}, a.orgs...), fault
}

// skipReason reports whether a status is known, and why a run with it is not retried;
// no reason means that it has failed. Adobe writes statuses in several ways.
func skipReason(status string) (known bool, reason SkipReason) {
	switch folded(status) {
	case "failed", "failure", "error":
		return true, ""
	case "success", "succeeded", "completed":
		return true, RunSucceeded
	case "partialsuccess", "partialfailure":
		return true, RunPartlySucceeded
	case "inprogress", "queued", "scheduled", "started", "running", "pending":
		return true, RunInProgress
	default:
		return false, ""
	}
}

// endOf is when the run ended, as far as its times can be believed.
func endOf(o object, created time.Time) time.Time {
	duration := o.object("metrics").object("durationSummary")
	return aeptime.Run{
		Created: created, Started: aeptime.Parse(duration.get("startedAtUTC")),
		Completed: aeptime.Parse(duration.get("completedAtUTC")), Updated: aeptime.Parse(o.get("updatedAt")),
	}.Ended()
}

// windowOf returns the data window that the run and its activities tell, from the earliest
// start to the latest end; zero where there is none. Package flowclient reads it the same way.
func windowOf(o object) aeptime.Window {
	in := func(part object) aeptime.Window {
		extensions := part.object("durationSummary").object("extensions")
		return aeptime.ParseWindow(extensions.get("windowStart"), extensions.get("windowEnd"))
	}
	window := in(o.object("metrics"))
	for _, activity := range activitiesOf(o) {
		window = window.Join(in(activity))
	}
	return window.Whole()
}

// activitiesOf returns the run's activities.
func activitiesOf(o object) []object {
	var list []json.RawMessage
	_ = json.Unmarshal(o.get("activities"), &list) // what is no list has none
	activities := make([]object, len(list))
	for i, one := range list {
		activities[i] = parsed(one)
	}
	return activities
}

// follows reports whether the run names runs before it.
func follows(o object) bool { return tells(o.get("predecessors"), MaxDepth) }

// tells reports whether there is a text or a number anywhere in a value: 0, [null] and
// {"runs":[]} name nothing. A value that is deeper than depth is taken for one that does.
func tells(raw json.RawMessage, depth int) bool {
	switch {
	case depth == 0:
		return true
	case begins(raw, '{'):
		return slices.ContainsFunc(parsed(raw).members, func(m member) bool { return tells(m.value, depth-1) })
	case begins(raw, '['):
		list, _ := elements(raw) // it is a list
		return slices.ContainsFunc(list, func(one json.RawMessage) bool { return tells(one, depth-1) })
	default:
		said := scalar(raw)
		return said != "" && said != "0"
	}
}

// errorsOf returns the run's errors and its activities', each once. errorDetail is left
// out: it may name hosts and files.
func errorsOf(o object) []RunError {
	var kept []RunError
	keep := func(summary object) {
		for _, list := range []json.RawMessage{summary.get("errors"), summary.object("extensions").get("errors")} {
			var errs []json.RawMessage
			_ = json.Unmarshal(list, &errs) // a list of another type is no error of the run
			for _, e := range errs {
				one := NewRunError(scalar(parsed(e).get("code")), parsed(e).text("message"))
				if one != (RunError{}) && !slices.Contains(kept, one) && len(kept) < MaxErrors {
					kept = append(kept, one)
				}
			}
		}
	}
	keep(o.object("metrics").object("statusSummary"))
	for _, activity := range activitiesOf(o) {
		if len(kept) == MaxErrors {
			break
		}
		keep(activity.object("statusSummary"))
	}
	return kept
}

// oneOf returns the first text, and whether all that are not empty are the same.
func oneOf(texts ...string) (string, bool) {
	first := cmp.Or(texts...)
	for _, text := range texts {
		if text != "" && text != first {
			return first, false
		}
	}
	return first, true
}

// bounded cuts text and makes it fit for JSON.
func bounded(text string, most int) string {
	if len(text) > most {
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// short bounds an id or a name that was not checked, for logs and attributes.
func short(id string) string { return bounded(id, MaxID) }

// text returns a JSON text, and an empty one for anything else.
func text(raw json.RawMessage) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	special := func(c byte) bool { return c < ' ' || c == '"' || c == '\\' }
	if plain := raw[1 : len(raw)-1]; raw[len(raw)-1] == '"' && !slices.ContainsFunc(plain, special) && utf8.Valid(plain) {
		return string(plain) // as nearly all are; json.Unmarshal takes several times the memory
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// scalar returns a JSON text or number as a text. Adobe writes the codes of some errors
// as numbers.
func scalar(raw json.RawMessage) string {
	var number json.Number
	if len(raw) > 0 && raw[0] != '"' && json.Unmarshal(raw, &number) == nil {
		return number.String()
	}
	return text(raw)
}
