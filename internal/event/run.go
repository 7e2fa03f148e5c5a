package event

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of what is kept of a run's errors.
const (
	// MaxErrors is how many are kept.
	MaxErrors = 10

	maxErrorText = 500
)

// message is what the wrapping tells of the event in it.
type message struct{ orgID, eventID string }

// payload is what is read of Adobe's events: a run, or an alert. errorDetail is
// left out: it may name hosts and files.
type payload struct {
	ID            lenient         `json:"id"`
	FlowID        lenient         `json:"flowId"`
	FlowName      lenient         `json:"flowName"`
	FlowRunID     lenient         `json:"flowRunId"`
	OrgID         lenient         `json:"imsOrgId"`
	Sandbox       lenient         `json:"sandboxName"`
	CreatedClient lenient         `json:"createdClient"`
	Status        lenient         `json:"status"`
	Name          lenient         `json:"name"`
	EventCode     lenient         `json:"eventCode"`
	XDMEventCode  lenient         `json:"xdm:eventCode"`
	IngestionID   lenient         `json:"xdm:ingestionId"`
	Predecessors  json.RawMessage `json:"predecessors"`
	CreatedAt     instant         `json:"createdAt"`
	UpdatedAt     instant         `json:"updatedAt"`
	Header        struct {
		AdobeIO struct {
			OrgID            lenient `json:"imsOrgId"`
			ProviderMetadata lenient `json:"providerMetadata"`
			EventCode        lenient `json:"eventCode"`
		} `json:"_adobeio"`
	} `json:"header"`
	Metrics *struct {
		Duration struct {
			CompletedAt instant `json:"completedAtUTC"`
		} `json:"durationSummary"`
		Status statusSummary `json:"statusSummary"`
	} `json:"metrics"`
	Activities []struct {
		Status statusSummary `json:"statusSummary"`
	} `json:"activities"`
}

type statusSummary struct {
	Status     lenient      `json:"status"`
	Errors     []adobeError `json:"errors"`
	Extensions struct {
		Errors []adobeError `json:"errors"`
	} `json:"extensions"`
}

type adobeError struct {
	Code    lenient `json:"code"`
	Message lenient `json:"message"`
}

// adobeObject reads a run or an alert. It reports false for anything else.
func adobeObject(raw json.RawMessage, fields map[string]json.RawMessage, m message) (Item, bool) {
	var p payload
	// A field of another type than expected is left empty: what Adobe sends is
	// only partly documented.
	_ = json.Unmarshal(raw, &p)
	code := cmp.Or(string(p.Header.AdobeIO.EventCode), string(p.EventCode), string(p.XDMEventCode))
	skip := Skip{FlowID: short(p.FlowID), OrgID: short(p.OrgID), Sandbox: short(p.Sandbox)}
	item := func(reason SkipReason, detail string) (Item, bool) {
		skip.Reason, skip.Detail = reason, detail
		return Item{Skip: &skip, Raw: raw}, true
	}
	isRun := p.Metrics != nil && (p.Metrics.Status.Status != "" || p.FlowID != "") || p.FlowID != "" && p.Activities != nil
	switch {
	case isRun:
		return p.run(raw, fields, m), true
	case p.IngestionID != "" || strings.HasPrefix(code, "ing_"):
		return item(IngestionEvent, "a data-ingestion event names no run")
	case p.FlowRunID != "" || strings.HasPrefix(string(p.Name), "sources_flow_run_delay"):
		skip.RunID = short(p.FlowRunID)
		return item(RunDelayedAlert, "an alert that the run takes long; the run has not failed")
	case strings.HasPrefix(code, "source_flow_run") || strings.HasPrefix(code, "sources_flow_run") || strings.HasPrefix(string(p.Name), "sources_"):
		return item(ErrorRateAlert, "an alert that names no run")
	case fields["challenge"] != nil:
		return item(ForeignEvent, "a challenge of Adobe I/O Events, which is for webhooks")
	case p.Header.AdobeIO.ProviderMetadata != "" || code != "":
		return item(ForeignEvent, "the event is not about a dataflow run; its code is "+excerpt([]byte(code)))
	default:
		return Item{}, false
	}
}

// run decides on a run by its status.
func (p *payload) run(raw json.RawMessage, fields map[string]json.RawMessage, m message) Item {
	status := lenient("")
	if p.Metrics != nil {
		status = p.Metrics.Status.Status
	}
	orgID, agree := oneOf(string(p.OrgID), string(p.Header.AdobeIO.OrgID), m.orgID)
	fault := func(reason Reason, message string) Item {
		return Item{Raw: raw, Err: &Error{Reason: reason, Message: message, RunID: short(p.ID), FlowID: short(p.FlowID), OrgID: short(lenient(orgID))}}
	}
	skip := func(reason SkipReason, detail string) Item {
		return Item{Raw: raw, Skip: &Skip{
			Reason: reason, Detail: detail, RunID: short(p.ID), FlowID: short(p.FlowID), OrgID: short(lenient(orgID)), Sandbox: short(p.Sandbox),
		}}
	}
	switch strings.ToLower(strings.ReplaceAll(string(status), "_", "")) {
	case "failed":
	case "success", "completed":
		return skip(RunSucceeded, "")
	case "partialsuccess", "partialfailure":
		return skip(RunPartlySucceeded, "only failed runs can be retried")
	case "inprogress", "queued", "scheduled", "started":
		return skip(RunInProgress, "")
	default:
		return skip(RunStatusUnknown, "the run's status is "+excerpt([]byte(status)))
	}
	if p.follows() {
		return skip(DownstreamRun, "the run follows another dataflow's run: retry that one")
	}
	if !agree {
		return fault(OrgMismatch, "the event names two orgs: imsOrgId of the run and of what is around it differ")
	}
	for _, name := range []string{"imsOrgId", "sandboxName"} { // a guess could be another org's or sandbox's
		if value := fields[name]; len(value) > 0 && value[0] != '"' && string(value) != "null" {
			return fault(WrongType, "field \""+name+"\" of the run is "+literal(value)+", want a string")
		}
	}
	if p.ID == "" {
		return fault(MissingRunID, "the failed run has no id")
	}
	if err := ValidRunID(string(p.ID)); err != nil {
		return fault(InvalidRunID, err.Error())
	}
	for _, f := range []struct{ name, value string }{{"flowId", string(p.FlowID)}, {"imsOrgId", orgID}, {"sandboxName", string(p.Sandbox)}} {
		if f.value != "" {
			if err := validName(f.name, f.value); err != nil {
				return fault(InvalidField, err.Error())
			}
		}
	}
	failedAt := p.UpdatedAt
	if p.Metrics.Duration.CompletedAt != 0 {
		failedAt = p.Metrics.Duration.CompletedAt
	}
	return Item{Raw: raw, Request: &Request{
		RunID: string(p.ID), FlowID: string(p.FlowID), OrgID: orgID, Sandbox: string(p.Sandbox),
		Origin: Origin{
			EventID: bounded(m.eventID, MaxID), FlowName: bounded(string(p.FlowName), maxErrorText), FailedAt: failedAt.time(),
			CreatedAt: p.CreatedAt.time(), CreatedClient: bounded(string(p.CreatedClient), MaxID), Errors: p.errors(),
		},
	}}
}

// follows reports whether the run names runs before it.
func (p *payload) follows() bool {
	var list []json.RawMessage
	if len(p.Predecessors) == 0 || json.Unmarshal(p.Predecessors, &list) == nil {
		return len(list) > 0
	}
	return true
}

// errors returns the run's errors and its activities', each once.
func (p *payload) errors() []RunError {
	summaries := []statusSummary{p.Metrics.Status}
	for _, activity := range p.Activities {
		summaries = append(summaries, activity.Status)
	}
	var kept []RunError
	for _, summary := range summaries {
		for _, e := range slices.Concat(summary.Errors, summary.Extensions.Errors) {
			short := NewRunError(string(e.Code), string(e.Message))
			if short != (RunError{}) && !slices.Contains(kept, short) && len(kept) < MaxErrors {
				kept = append(kept, short)
			}
		}
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
func short(id lenient) string { return bounded(string(id), MaxID) }

// lenient is a text that stays empty where the JSON is no string.
type lenient string

// UnmarshalJSON reads a string and passes over anything else.
func (l *lenient) UnmarshalJSON(raw []byte) error {
	*l = lenient(text(raw))
	return nil
}

func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// instant is a time in milliseconds since 1970, 0 where unknown. AEP's times are
// such numbers; in some events they are text in ISO 8601.
type instant int64

// UnmarshalJSON reads a number, a number in a string or RFC 3339, and passes over
// anything else.
func (i *instant) UnmarshalJSON(raw []byte) error {
	*i = 0
	number := strings.Trim(string(raw), `"`)
	if t, err := time.Parse(time.RFC3339, number); err == nil {
		*i = instant(t.UnixMilli())
	} else if ms, err := strconv.ParseFloat(number, 64); err == nil && ms > 0 && ms < math.MaxInt32*1e6 {
		*i = instant(ms)
	}
	return nil
}

func (i instant) time() time.Time {
	if i == 0 || i < 0 || i > 253402300799999 { // the year 9999, the last that RFC 3339 can write
		return time.Time{}
	}
	return time.UnixMilli(int64(i)).UTC()
}
