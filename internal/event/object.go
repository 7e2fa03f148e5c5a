package event

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// object is a JSON object with its fields in their order. Unlike a struct of
// encoding/json it does not fold the case of names, and it keeps repetitions.
type object struct {
	raw     json.RawMessage
	members []member
}

// member is one field of an object.
type member struct {
	name  string
	value json.RawMessage
}

// parse splits an object that is known to be valid JSON.
func parse(raw json.RawMessage) (object, *Error) {
	o := object{raw: raw}
	if len(raw) == 0 || raw[0] != '{' {
		return o, faultf(WrongType, "the request is %s, want a JSON object such as {\"runId\":\"…\"}", literal(raw))
	}
	for at := next(raw, 1); at < len(raw) && raw[at] == '"'; {
		end := valueEnd(raw, at)
		m := member{name: text(raw[at:end])}
		at = next(raw, next(raw, end)+1) // behind the colon
		end = valueEnd(raw, at)
		m.value = raw[at:end:end]
		o.members = append(o.members, m)
		if at = next(raw, end); at < len(raw) && raw[at] == ',' {
			at = next(raw, at+1)
		}
	}
	return o, nil
}

// next returns the place of the first byte from a place on that is no white space.
func next(raw json.RawMessage, at int) int {
	for at < len(raw) && strings.IndexByte(" \t\r\n", raw[at]) >= 0 {
		at++
	}
	return at
}

// valueEnd returns the place behind the value that begins at a place of valid JSON.
func valueEnd(raw json.RawMessage, at int) int {
	depth := 0
	for at < len(raw) {
		switch c := raw[at]; {
		case c == '"':
			at = textEnd(raw, at)
		case c == '{', c == '[':
			depth++
			at++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
			at++
		case depth > 0 || strings.IndexByte(" \t\r\n,:}]", c) < 0: // a number, or true, false, null
			at++
			continue
		}
		if depth == 0 {
			return at
		}
	}
	return at
}

// textEnd returns the place behind the text that begins at a place.
func textEnd(raw json.RawMessage, at int) int {
	for at++; at < len(raw) && raw[at] != '"'; at++ {
		if raw[at] == '\\' {
			at++
		}
	}
	return min(at+1, len(raw))
}

// parsed is parse for a part of an event, where anything but an object is an empty one.
func parsed(raw json.RawMessage) object {
	if len(raw) == 0 || raw[0] != '{' {
		return object{}
	}
	o, _ := parse(raw) // it was valid as a part
	return o
}

// elements splits a list.
func elements(raw json.RawMessage) ([]json.RawMessage, *Error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, faultf(Unreadable, "the payload is not JSON: %v", err)
	}
	return list, nil
}

// get returns the value of a field; nil where there is none.
func (o object) get(name string) json.RawMessage {
	for _, m := range o.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// text returns a field's text; empty where it has none.
func (o object) text(name string) string { return text(o.get(name)) }

// object returns a field's object; an empty one where it has none.
func (o object) object(name string) object { return parsed(o.get(name)) }

// has reports whether all fields are there.
func (o object) has(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return o.get(name) == nil })
}

// hasAny reports whether one of the fields is there.
func (o object) hasAny(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return o.get(name) != nil })
}

// isObject and isList report what a field's value is.
func (o object) isObject(name string) bool { return begins(o.get(name), '{') }
func (o object) isList(name string) bool   { return begins(o.get(name), '[') }

func begins(raw json.RawMessage, with byte) bool { return len(raw) > 0 && raw[0] == with }

// clash refuses an object that has one of the names twice, or in a second spelling
// that differs in case alone: which of them counts, its readers would not agree on.
func (o object) clash(names ...string) *Error {
	first := map[string]string{} // the spelling that came first
	for _, m := range o.members {
		i := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, m.name) })
		if i < 0 {
			continue
		}
		if before, known := first[names[i]]; known {
			return twice(before, m.name)
		}
		first[names[i]] = m.name
	}
	return nil
}

func twice(a, b string) *Error {
	if a == b {
		return faultf(RepeatedField, "field %s stands twice", excerpt([]byte(a)))
	}
	return faultf(RepeatedField, "fields %s and %s are two spellings of one name", excerpt([]byte(a)), excerpt([]byte(b)))
}

// repeated refuses an object that has any field twice.
func (o object) repeated() *Error {
	seen := make(map[string]bool, len(o.members))
	for _, m := range o.members {
		if seen[m.name] {
			return twice(m.name, m.name)
		}
		seen[m.name] = true
	}
	return nil
}

// quotesRuns reports whether the field's name says that the runs in it are only
// mentioned: those before the one that the event is about.
func (f member) quotesRuns() bool {
	name := strings.ToLower(f.name)
	return strings.Contains(name, "predecessor") || strings.Contains(name, "previous")
}

// headerDepth is how deep the decoder looks for an org beside a run.
const headerDepth = 4

// named adds the orgs and sandboxes that an object around a run names: by its own fields,
// and by those of headers and the like beside the run. It looks into no field that except
// names, and into no value that holds runs: an org in there is of those runs.
func (a around) named(o object, except ...string) (around, *Error) {
	return a.namedIn(o, headerDepth, except)
}

func (a around) namedIn(o object, depth int, except []string) (around, *Error) {
	for _, m := range o.members {
		var fault *Error
		switch name := bare(m.name); {
		case slices.Contains(except, m.name), m.quotesRuns(), strings.HasSuffix(name, "by"): // createdBy is a person or a service
		case name == "sandboxname":
			a.sandboxes, fault = with(a.sandboxes, m)
		case name == "imsorgid", name == "imsorg", name == "xdm:imsorg":
			switch {
			case begins(m.value, '"'), string(m.value) == "null":
				a.orgs, fault = with(a.orgs, m)
			case bytes.Contains(m.value, []byte(`AdobeOrg"`)): // {"id":"…@AdobeOrg"}, or an attribute of a message
				a, fault = a.namedWithin(m, depth+1)
			default: // a guess could be another org's
				return a, wrongType(m.name, "a string", m.value)
			}
		default:
			a, fault = a.namedWithin(m, depth)
		}
		if fault != nil {
			return a, fault
		}
	}
	return a, nil
}

// namedWithin adds what the value of a field names, which may be an org by itself, or an
// object, a list or a text that holds one.
func (a around) namedWithin(m member, depth int) (around, *Error) {
	var fault *Error
	switch value := m.value; {
	case bytes.HasSuffix(value, []byte(`AdobeOrg"`)) && isOrg(text(value)):
		a.hints, fault = with(a.hints, m)
	case depth <= 1, bytes.Contains(value, []byte("statusSummary")):
	case begins(value, '{'):
		return a.namedIn(parsed(value), depth-1, nil)
	case begins(value, '['):
		list, _ := elements(value) // it is a list
		for _, one := range list {
			if a, fault = a.namedWithin(member{m.name, one}, depth-1); fault != nil {
				break
			}
		}
	case begins(value, '"') && bytes.Contains(value, []byte("AdobeOrg")):
		if inner := trimmed([]byte(text(value))); json.Valid(inner) {
			return a.namedWithin(member{m.name, inner}, depth-1)
		}
	}
	return a, fault
}

// isOrg reports whether a text is an org's id by its form: 1234567890ABCDEF@AdobeOrg.
func isOrg(text string) bool {
	name, is := strings.CutSuffix(text, "@AdobeOrg")
	return is && name != "" && !strings.ContainsAny(name, "@/ ")
}

// with adds what the field names. Two names already disagree, so no more are kept.
func with(names []string, m member) ([]string, *Error) {
	name := text(m.value)
	switch {
	case len(name) > MaxID:
		return names, faultf(InvalidField, "the %s has %d bytes, more than %d", short(m.name), len(name), MaxID)
	case name == "" || len(names) == 2 || slices.Contains(names, name):
		return names, nil
	}
	return append(slices.Clip(names), name), nil
}
