package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// MaxAttempts is the greatest number of delays.
const MaxAttempts = 20

// Patterns are texts of which one must match, as a whole and without regard to
// case; * in them stands for any text. In JSON they are a text or a list.
type Patterns []string

// Rule says what to do with the runs that it matches: those that match all of
// its patterns. Code and Message must match one and the same error of the run.
type Rule struct {
	Code, Message, FlowID, Sandbox Patterns
	Action                         Action
	// Delays are a retry's own; nil means the policy's.
	Delays []time.Duration
}

// ParseDelays reads a list of delays such as "0s,5m,30m".
func ParseDelays(text string) ([]time.Duration, error) {
	return parseDelays(strings.Split(text, ","))
}

func parseDelays(texts []string) ([]time.Duration, error) {
	var delays []time.Duration
	var errs []error
	for _, t := range texts {
		d, err := time.ParseDuration(strings.TrimSpace(t))
		if err != nil || d < 0 || d > MaxDelay {
			errs = append(errs, fmt.Errorf("%q is no delay: want a duration such as 0s, 30s or 5m, at most %s", t, MaxDelay))
		}
		delays = append(delays, d)
	}
	if len(delays) == 0 || len(delays) > MaxAttempts {
		errs = append(errs, fmt.Errorf("there are %d delays, want 1 to %d: each is one attempt", len(delays), MaxAttempts))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return delays, nil
}

// ParseRules reads rules from JSON: a list of objects with the fields code,
// message, flowId, sandbox (patterns), action and delays. The error joins one
// error for each mistake, with the number of the rule, from 1.
func ParseRules(text string) ([]Rule, error) {
	var list []json.RawMessage
	decoder := json.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("is no JSON list of rules such as [{\"code\":\"MAPPER-*\",\"action\":\"dead_letter\"}]: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("has something after the list of rules")
	}
	rules := make([]Rule, len(list))
	var errs []error
	all := 0 // the rule that matches everything
	for i, raw := range list {
		p := ruleParser{number: i + 1}
		rules[i] = p.rule(raw)
		if all > 0 {
			p.fail("can never match: rule %d matches every run", all)
		}
		if r := &rules[i]; all == 0 && p.errs == nil && len(r.Code)+len(r.Message)+len(r.FlowID)+len(r.Sandbox) == 0 {
			all = i + 1
		}
		errs = append(errs, p.errs...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return rules, nil
}

type ruleParser struct {
	number int
	errs   []error
}

func (p *ruleParser) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("rule %d: %s", p.number, fmt.Sprintf(format, args...)))
}

func (p *ruleParser) rule(raw json.RawMessage) Rule {
	var r Rule
	fields, ok := p.fields(raw)
	if !ok {
		return r
	}
	var delays []string
	for _, f := range fields {
		switch f.name {
		case "code":
			r.Code = p.patterns(f)
		case "message":
			r.Message = p.patterns(f)
		case "flowId":
			r.FlowID = p.patterns(f)
		case "sandbox":
			r.Sandbox = p.patterns(f)
		case "action":
			r.Action = p.action(f)
		case "delays":
			delays, r.Delays = p.delays(f)
		default:
			p.fail("unknown field %q; there are code, message, flowId, sandbox, action, delays", f.name)
		}
	}
	if r.Action == "" {
		p.fail("it has no action")
	}
	if delays != nil && r.Action != Retry && r.Action != unknownAction {
		p.fail("delays belong to the action \"retry\", not to %q", r.Action)
	}
	return r
}

// unknownAction stands for an action that is no action: its mistake is reported.
const unknownAction Action = "?"

func (p *ruleParser) action(f field) Action {
	var action *Action
	if json.Unmarshal(f.value, &action) != nil || action == nil || !slices.Contains([]Action{Retry, DeadLetter, Skip}, *action) {
		p.fail("action is %s, want \"retry\", \"dead_letter\" or \"skip\"", f.value)
		return unknownAction
	}
	return *action
}

// delays returns the list as it is written, nil for none, and as durations.
func (p *ruleParser) delays(f field) (texts []string, delays []time.Duration) {
	if json.Unmarshal(f.value, &texts) != nil || texts == nil {
		p.fail("delays is %s, want a list such as [\"0s\",\"5m\"]", f.value)
		return texts, nil
	}
	delays, err := parseDelays(texts)
	if err != nil {
		p.fail("delays: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return texts, delays
}

type field struct {
	name  string
	value json.RawMessage
}

// fields returns the object's fields in their order. Unlike a struct's their
// names are not folded, and one that stands twice is a mistake.
func (p *ruleParser) fields(raw json.RawMessage) ([]field, bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		p.fail("it is no object")
		return nil, false
	}
	var list []field
	for decoder.More() {
		var f field
		name, err := decoder.Token()
		if err == nil {
			f.name, _ = name.(string)
			err = decoder.Decode(&f.value)
		}
		if err != nil {
			p.fail("%v", err)
			return nil, false
		}
		if slices.ContainsFunc(list, func(other field) bool { return other.name == f.name }) {
			p.fail("field %q stands twice", f.name)
			continue
		}
		list = append(list, f)
	}
	return list, true
}

func (p *ruleParser) patterns(f field) Patterns {
	var one *string
	var several []string
	switch {
	case json.Unmarshal(f.value, &one) == nil && one != nil:
		several = []string{*one}
	case json.Unmarshal(f.value, &several) == nil && len(several) > 0:
	default:
		p.fail("%s is %s, want a text or a list of texts", f.name, f.value)
		return nil
	}
	if slices.Contains(several, "") {
		p.fail("%s has an empty pattern", f.name)
	}
	return several
}
