package flowclient

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// refusal reads an answer that is not 2xx to a call of op; the caller adds resource and
// kind.
func (s *settings) refusal(op string, answer reply, secrets scrubber) *Error {
	said := parseRefusal(answer.body)
	if op != OpToken && answer.status/100 == 4 && !numbered(said.code) { // IMS's codes are words; after a 5xx a code may say that nothing was done, which no text proves
		said.code = cmp.Or(codeWithin(said.message, answer.status), said.code)
	}
	if said.requestID == "" {
		said.requestID = requestID(answer.header)
	}
	if said.message == "" && answer.status/100 == 3 {
		said.message = "a redirect, which is not followed"
	}
	return &Error{
		Op:         op,
		Status:     answer.status,
		Code:       secrets.clean(said.code, maxCode),
		Message:    secrets.clean(said.message, maxMessage),
		RequestID:  secrets.clean(said.requestID, maxCode),
		RetryAfter: retryAfter(answer.header.Get("Retry-After"), s.now()),
	}
}

// said is what the body of a refusal says.
type said struct{ code, message, requestID string }

// The names of the fields that hold a code, a text and a request id, the best first.
// errorDetails is none of them: it may name hosts and files.
var (
	codeFields    = []string{"error_code", "errorCode", "errorcode", "error", "code"}
	messageFields = []string{"errorMessage", "error_message", "message", "error_description", "errorDescription", "detail", "description", "reason"}
	requestFields = []string{"request-id", "requestId", "request_id", "x-request-id", "x-debug-id", "debug_id", "debugId", "correlationId"}
)

// parseRefusal understands the three families of Adobe's errors:
//
//	gateway:      {"error_code":"401013","message":"…"}
//	Flow Service: {"type":"https://ns.adobe.com/aep/errors/FLOW-1439-404","title":"…",
//	               "report":{"detailed-message":"…","request-id":"…"},"errorMessage":"…"}
//	IMS:          {"error":"invalid_client","error_description":"…"}
//
// and where code and text stand deeper, in an object "error", a list "errors" or JSON
// within a text, as {"error":{"code":"Forbidden","details":{"error_code":"403003"}}}. The
// message of any other body, such as HTML or XML, is its beginning.
func parseRefusal(body []byte) said {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if text := scalar(body); text != "" {
		body = []byte(text)
	}
	var s said
	var fields map[string]json.RawMessage
	var list []json.RawMessage
	switch {
	case json.Unmarshal(body, &fields) == nil:
		s = readFields(fields)
		s.addNamed(fields, maxNesting)
	case json.Unmarshal(body, &list) == nil:
		for _, element := range list[:min(len(list), maxElements)] {
			s.addDeeper(element, maxNesting)
		}
	}
	if strings.HasPrefix(s.message, "{") {
		s.addDeeper([]byte(s.message), maxNesting)
	}
	if s.code == "" && s.message == "" {
		s.message = string(body)
	}
	return s
}

// codeInText finds a code that a text calls so, as <error_code>403003</error_code> does,
// or that is the whole text. A number of three digits is none: it is the HTTP status.
var codeInText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:error[ _-]?)?code\b["'\\>:=\s]{1,8}((?:[a-z]+-)?\d{4,6}(?:-\d{3})?)\b|^\s*((?:[a-z]+-)?\d{4,6}(?:-\d{3})?)\s*$`)
})

// codeWithStatus finds a code that ends with an HTTP status: "[FLOW-1388-400] not enabled".
var codeWithStatus = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:[a-z]+-)?\d{4}-(\d{3})\b`)
})

// codeWithin returns the code that the text of an answer with this status has in it, or
// nothing. A code that the text does not call so must end with the answer's own status:
// the text may quote others.
func codeWithin(text string, status int) string {
	if found := codeInText().FindStringSubmatch(text); found != nil {
		return found[1] + found[2]
	}
	for _, found := range codeWithStatus().FindAllStringSubmatch(text, -1) {
		if found[1] == strconv.Itoa(status) {
			return found[0]
		}
	}
	return ""
}

// longNumber is in every numbered code of Adobe's.
var longNumber = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\d{4}`)
})

// numbered reports whether a code is one of Adobe's numbers, and neither a word such as
// Forbidden nor the HTTP status.
func numbered(code string) bool { return longNumber().MatchString(code) }

// Limits on how deep, and at how many elements of a list or fields of an object, a refusal
// is read.
const (
	maxNesting  = 4
	maxElements = 5
)

// readFields reads the fields of one object.
func readFields(fields map[string]json.RawMessage) said {
	var report map[string]json.RawMessage
	_ = json.Unmarshal(fields["report"], &report)
	s := said{
		code:      firstText(fields, codeFields...),
		message:   firstText(fields, messageFields...),
		requestID: firstText(report, requestFields...),
	}
	if s.requestID == "" {
		s.requestID = firstText(fields, requestFields...)
	}
	if kind := firstText(fields, "type"); kind != "" && s.code == "" {
		if last := kind[strings.LastIndexAny(kind, "/:")+1:]; strings.Contains(kind, "/") || numbered(last) {
			s.code = last
		}
	}
	if detailed := firstText(report, "detailed-message"); detailed != "" {
		s.message = detailed
	}
	if title := firstText(fields, "title"); title != "" && !strings.Contains(s.message, title) {
		s.message = strings.TrimSuffix(title+": "+s.message, ": ")
	}
	return s
}

// addNamed adds what those fields of an object say that hold errors.
func (s *said) addNamed(fields map[string]json.RawMessage, depth int) {
	for _, name := range []string{"error", "errors", "details", "validation", "report", "error-chain", "errorChain", "fault", "detail"} {
		s.addDeeper(fields[name], depth)
	}
}

// addDeeper adds what an object or a list within the body says. Its code counts where
// there is none yet, or only a word or the HTTP status and the deeper one is a number of
// Adobe's; its text where it is new. All fields of an object that says nothing itself are
// looked at: {"errors":{"400":[{"code":"1388"}]}}.
func (s *said) addDeeper(raw json.RawMessage, depth int) {
	if depth == 0 || len(raw) == 0 {
		return
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		for _, element := range list[:min(len(list), maxElements)] {
			s.addText(scalar(element))
			s.addDeeper(element, depth-1)
		}
		return
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return
	}
	deeper := readFields(fields)
	if s.code == "" || !numbered(s.code) && numbered(deeper.code) {
		s.code = deeper.code
	}
	if s.requestID == "" {
		s.requestID = deeper.requestID
	}
	s.addMessage(deeper.message)
	if deeper.code != "" || deeper.message != "" {
		s.addNamed(fields, depth-1)
		return
	}
	names := slices.Sorted(maps.Keys(fields))
	for _, name := range names[:min(len(names), maxElements)] {
		s.addDeeper(fields[name], depth-1)
	}
}

// addText adds an element of a list that is a text: a single word is a code.
func (s *said) addText(text string) {
	if s.code == "" && text != "" && !strings.ContainsAny(text, " \t\n") && len(text) <= maxCode {
		s.code = text
		return
	}
	s.addMessage(text)
}

func (s *said) addMessage(text string) {
	switch {
	case strings.Contains(s.message, text):
	case s.message == "":
		s.message = text
	case len(s.message) < maxMessage:
		s.message += "; " + text
	}
}

// firstText returns the first of the fields that is a text or number.
func firstText(fields map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		if text := scalar(fields[name]); text != "" {
			return text
		}
	}
	return ""
}

// scalar returns a JSON text or number as a text, and nothing else.
func scalar(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil {
		return number.String()
	}
	return ""
}
