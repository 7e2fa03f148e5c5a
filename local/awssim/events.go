package awssim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of PutEvents:
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html.
const (
	maxEvents      = 10
	maxEventsBytes = 1 << 20 // of all entries of a call
	maxDetailType  = 128
	eventTimeBytes = 14 // what EventBridge counts for an entry's Time
)

// Event is one that a bus has taken.
type Event struct {
	ID, Source, DetailType string
	// Detail is the JSON object as it was sent.
	Detail string
	Time   time.Time
}

// EventBuses are the buses of EventBridge. There is no bus but those that were added.
type EventBuses struct {
	mu    sync.Mutex
	buses map[string][]Event
}

// Add makes a bus.
func (b *EventBuses) Add(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buses[name] = nil
}

// Remove deletes a bus and its events.
func (b *EventBuses) Remove(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.buses, name)
}

// Sent returns the events that a bus has taken, in the order in which they came.
func (b *EventBuses) Sent(name string) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.buses[name])
}

// Forget drops the events that a bus has taken before a time.
func (b *EventBuses) Forget(name string, before time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buses[name] = slices.DeleteFunc(b.buses[name], func(e Event) bool { return e.Time.Before(before) })
}

// busARN is the beginning of a bus's ARN.
const busARN = "arn:aws:events:" + Region + ":" + Account + ":event-bus/"

// has reports whether there is a bus of a name or an ARN, and returns its name.
func (b *EventBuses) has(nameOrARN string) (name string, there bool) {
	name = strings.TrimPrefix(nameOrARN, busARN)
	_, there = b.buses[name]
	return name, there
}

// describe answers DescribeEventBus.
func (b *EventBuses) describe(in struct{ Name string }) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name, there := b.has(in.Name)
	if !there {
		return nil, refuse("ResourceNotFoundException", "Event bus "+in.Name+" does not exist.")
	}
	return map[string]any{"Name": name, "Arn": busARN + name}, nil
}

// eventIn is an entry of PutEvents.
type eventIn struct {
	Source, DetailType, Detail, EventBusName string

	Resources []string
	Time      *float64 // seconds since 1970
}

// size is what EventBridge counts of an entry:
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html.
func (in eventIn) size() int {
	n := len(in.Source) + len(in.DetailType) + len(in.Detail)
	for _, r := range in.Resources {
		n += len(r)
	}
	if in.Time != nil {
		n += eventTimeBytes
	}
	return n
}

// complete reports whether an entry has what EventBridge asks for.
func (in eventIn) complete() bool { return in.Source != "" && in.DetailType != "" && in.Detail != "" }

// check returns the code with which EventBridge refuses an entry, and why.
func (in eventIn) check() (code, message string) {
	var object map[string]any
	switch {
	case in.Source == "":
		return "InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument."
	case in.DetailType == "":
		return "InvalidArgument", "Parameter DetailType is not valid. Reason: DetailType is a required argument."
	case in.Detail == "":
		return "InvalidArgument", "Parameter Detail is not valid. Reason: Detail is a required argument."
	case len([]rune(in.DetailType)) > maxDetailType:
		return "InvalidArgument", "Parameter DetailType is not valid. Reason: Detail type is too long."
	case strings.HasPrefix(in.Source, "aws."):
		return "NotAuthorizedForSourceException", "Not authorized for the source."
	case json.Unmarshal([]byte(in.Detail), &object) != nil:
		return "MalformedDetail", "Detail is malformed."
	}
	return "", ""
}

// put answers PutEvents. An event for a bus that does not exist is taken, answered with an
// id, and dropped, as EventBridge does: https://github.com/aws/aws-sdk/issues/186.
func (b *EventBuses) put(entries []eventIn, fault *Fault, now time.Time) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := 0
	for _, in := range entries {
		size += in.size()
	}
	switch {
	case len(entries) == 0 || len(entries) > maxEvents:
		return nil, refuse("ValidationException", fmt.Sprintf("1 validation error detected: %d values at 'entries' failed to satisfy constraint: Member must have length between 1 and %d", len(entries), maxEvents))
	case size > maxEventsBytes:
		return nil, refuse("ValidationException", "Total size of the entries in the request is over the limit.")
	case !slices.ContainsFunc(entries, eventIn.complete):
		return nil, refuse("ValidationException", "Source, DetailType and Detail are required.")
	}
	failed, results := 0, make([]map[string]string, len(entries))
	for i, in := range entries {
		code, message := in.check()
		if fault != nil && strings.Contains(in.Detail, fault.Of) {
			code, message = fault.Code, "an injected fault"
		}
		if code != "" {
			failed++
			results[i] = map[string]string{"ErrorCode": code, "ErrorMessage": message}
			continue
		}
		e := Event{ID: uuid(), Source: in.Source, DetailType: in.DetailType, Detail: in.Detail, Time: now}
		if in.Time != nil {
			e.Time = time.Unix(int64(*in.Time), 0).UTC()
		}
		if name, there := b.has(in.EventBusName); there {
			b.buses[name] = append(b.buses[name], e)
		}
		results[i] = map[string]string{"EventId": e.ID}
	}
	return map[string]any{"FailedEntryCount": failed, "Entries": results}, nil
}
