package event

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// EventSource is the source of the events that the function itself publishes. The decoder
// takes no run out of them: their runs are those that the function could not retry. It passes
// over a notice, of which a rule that brings it back would otherwise make a dead letter each
// time, and refuses any other.
const EventSource = "aep-retrigger"

// isOwn recognizes an event that the function itself has published.
func isOwn(o object) bool {
	return strings.HasPrefix(o.text("source"), EventSource) && o.hasAny("detail-type", "detail", "specversion")
}

// isNotice recognizes a notice of the function itself, by the detail-types of package notice.
func isNotice(o object) bool {
	return isOwn(o) && slices.Contains([]string{"Dataflow Failing", "Dataflow Recovered", "Run Given Up", "Credential Refused"}, o.text("detail-type"))
}

// passNotice passes over a notice that stands for itself. In another's event it is a part.
func passNotice(d *decoder, o object, a around) (bool, *Error) {
	if a.sender != person {
		return false, nil
	}
	detail := "a notice of aep-retrigger itself (" + o.text("detail-type") + "): take the rule away that sends it here"
	return true, d.add(Item{Skip: &Skip{Reason: OwnNotice, Detail: detail}, Raw: o.raw})
}

// refused names payloads that are known and can't be handled. A layer of Adobe's event
// may have any names, and is refused for none of them.
func refused(o object, from sender) *Error {
	switch own := ownOutput(o); {
	case own != nil || from == adobe:
		return own
	case o.has("failedMessages") && o.hasAny("subscriberArn", "busArn"):
		return faultf(EventIDsOnly, "the payload is a dead-letter record of an EventBridge custom event bus. It has the ids of the events and not the events: replay them from the bus, or send {\"sweep\":{\"since\":\"24h\"}}, which finds the failed runs")
	case o.has("s3BucketName", "s3Key"):
		return storedInS3()
	case isHTTP(o):
		return faultf(HTTPEvent, "the payload is an HTTP request of a Function URL, an API Gateway or a load balancer, which the function does not serve. Invoke the function with {\"runId\":\"…\"}, or send that to the request queue; have Adobe I/O Events deliver to Amazon EventBridge")
	}
	return nil
}

// ownOutput refuses the function's own events, notices apart, and its answers.
func ownOutput(o object) *Error {
	switch {
	case isOwn(o) && !isNotice(o):
		return faultf(OwnOutput, "the event is one that aep-retrigger itself has published: it asks for nothing. Take the rule away that sends it here")
	case len(o.members) == 1 && (o.isList("batchItemFailures") || o.isList("pauses")), ownResults(o), o.object("sweep").has("state", "seen"),
		o.object("status").has("version", "schema"), o.object("connection").has("flowId", "accepted"):
		return faultf(OwnOutput, "the payload is an answer of aep-retrigger itself: it asks for nothing. To retry a run send {\"runId\":\"…\"}")
	}
	return nil
}

// ownResults recognizes the answer to a direct invocation, and one result of it.
func ownResults(o object) bool {
	if o.has("runId") && isOutcome(o.text("outcome")) {
		return true
	}
	if !o.isList("results") {
		return false
	}
	list, fault := elements(o.get("results"))
	return fault == nil && len(list) > 0 && isOutcome(parsed(list[0]).text("outcome"))
}

// isOutcome reports whether a word is one of the function's outcomes (docs/outcomes.md).
func isOutcome(word string) bool {
	return slices.Contains([]string{"retriggered", "deferred", "skipped", "dead_lettered", "returned"}, word)
}

// isS3Pointer recognizes a message whose body the extended SQS client libraries have put
// into S3: ["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"…","s3Key":"…"}].
// https://github.com/awslabs/payload-offloading-java-common-lib-for-aws
func isS3Pointer(list []json.RawMessage) bool {
	return len(list) == 2 && (strings.HasSuffix(text(list[0]), "S3Pointer") || begins(list[0], '"') && parsed(list[1]).has("s3BucketName", "s3Key"))
}

func storedInS3() *Error {
	return faultf(StoredInS3, "the message is a pointer of an extended SQS client: its content is in S3, which the function does not read. Send the content itself, up to 1 MiB")
}

// isHTTP recognizes the events of Function URLs, API Gateway, load balancers, Lambda@Edge
// and VPC Lattice, and what an HTTP relay makes of a request.
func isHTTP(o object) bool {
	if o.has("eventSource") || o.has("messageId", "receiptHandle") { // a record of SQS has a body, too
		return false
	}
	c := o.object("requestContext")
	switch {
	case c.hasAny("http", "httpMethod", "elb", "apiId", "connectionId", "serviceNetworkArn"):
		return true
	case o.isObject("headers") || o.isObject("multiValueHeaders"):
		if o.isObject("body") && bytes.Contains(o.get("body"), []byte("statusSummary")) { // the body of a request is a text
			return false
		}
		return o.hasAny("body", "httpMethod", "method", "rawPath", "raw_path", "routeKey", "isBase64Encoded")
	default:
		return o.hasAny("httpMethod", "rawPath", "routeKey") && o.hasAny("body", "requestContext", "isBase64Encoded") || o.firstOf("Records").isObject("cf")
	}
}

// commands are the fields of which each makes an object a request by hand.
func commands() []string { return []string{"runId", "requests", "sweep", "pause", "resume"} }

// unrecognized is the error for an object that is nothing known. A field that
// looks like a misspelled one of a request is named.
func unrecognized(raw json.RawMessage) *Error {
	names := parsed(raw).names()
	if len(names) == 0 {
		return faultf(EmptyObject, "the payload is {}, which asks for nothing. To look for failed runs send {\"sweep\":{}}, as the input of a schedule, too; to retry one send {\"runId\":\"…\"}")
	}
	for _, name := range names {
		for _, want := range commands() {
			if similar(name, want) {
				return unknownField(name, []string{want})
			}
		}
		if fault := nearCommand(name, parsed(raw)); fault != nil {
			return fault
		}
	}
	return faultf(Unrecognized, "the payload is neither a request such as {\"runId\":\"…\"} nor an event about a dataflow run; its fields are %s", listed(names))
}

// nearCommand is the error for an object that may be meant as a command.
func nearCommand(name string, o object) *Error {
	alone := len(o.members) == 1
	if slices.Contains(directCommands(), name) {
		fields := []string{name, "runIds", "letterIds", "orgId", "flowId", "flowName", "sandbox", "reason", "by"}
		switch {
		case alone:
			return faultf(WrongType, "%q is a command with an object of its fields, such as {%q:{}}", name, name)
		case o.isObject(name) && !slices.ContainsFunc(o.names(), func(n string) bool { return !slices.Contains(fields, n) }):
			return faultf(Unreadable, "%q must stand alone, without other fields", name)
		}
		return nil
	}
	for _, want := range directCommands() {
		if alone && similar(name, want) {
			return unknownField(name, []string{want})
		}
	}
	return nil
}

// unrecognizedEvent is the error for an event of Adobe's that holds no run.
func unrecognizedEvent(raw json.RawMessage, detailType string) *Error {
	o := parsed(raw)
	what := "an event of Adobe's"
	if detailType != "" {
		what += " (detail-type " + excerpt([]byte(detailType)) + ")"
	}
	fault := faultf(Unrecognized, "%s holds no run that the function can find, so it may be a failure that is not retried; its fields are %s. If it is about a run, report its shape; a sweep finds the run meanwhile", what, listed(o.names()))
	fault.Shape = shape(o, detailType)
	return fault
}

// maxShape bounds a shape's length in bytes.
const maxShape = 1024

// shape tells events of one kind from those of others: the detail-type, and the names of
// the fields, two levels deep.
func shape(o object, detailType string) string {
	paths := map[string]bool{}
	for _, m := range o.members {
		paths[m.name] = true
		for _, inner := range parsed(m.value).members {
			paths[m.name+"."+inner.name] = true
		}
	}
	return bounded(detailType+" {"+strings.Join(slices.Sorted(maps.Keys(paths)), ",")+"}", maxShape)
}

// names returns the names of the fields, each once, sorted.
func (o object) names() []string {
	set := map[string]bool{}
	for _, m := range o.members {
		set[m.name] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// listed quotes some names.
func listed(names []string) string {
	const most = 8
	if len(names) == 0 {
		return "none"
	}
	quoted := make([]string, 0, most+1)
	for _, name := range names[:min(len(names), most)] {
		quoted = append(quoted, excerpt([]byte(name)))
	}
	if len(names) > most {
		quoted = append(quoted, "…")
	}
	return strings.Join(quoted, ", ")
}
