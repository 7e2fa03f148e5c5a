//go:build cloud

package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

const (
	flow    = "0b7e1c1a-0000-4000-8000-00000000f10e"
	partner = "aws.partner/developer.adobe.com/0d3a8b53-7d2f-4e0a-9f6a-1f4c8b0f6c11"
)

// fail makes a run of the simulated org that has just failed.
func (d *deployment) fail(runID string) {
	d.adobe.AddFlow(flowsim.Flow{ID: flow, Name: "Loyalty members hourly", OrgID: stack.OrgID, Sandbox: stack.Sandbox})
	d.adobe.AddRun(flowsim.Run{
		ID: runID, FlowID: flow, Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CreatedAt: time.Now().Add(-time.Minute), CompletedAt: time.Now(),
		Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500", Message: "Copying from the source failed"}},
	})
}

// until polls the request queue until something is so.
func until(t *testing.T, m *lambdaenv.Mapping, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !is() {
		if _, _, err := m.Poll(ctx, 1); err != nil {
			t.Fatalf("waiting for %s: %v", what, err)
		}
	}
}

func (d *deployment) send(t *testing.T, body string) {
	t.Helper()
	_, err := d.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(d.outputs["QueueUrl"]), MessageBody: &body})
	must(t, err)
}

// TestAnEventOnTheBusRetriggersItsRun: The rule sends it to the queue, and the binary of sam
// build answers the batch in the Runtime Interface Emulator. An event of another sender does
// not reach the queue.
func TestAnEventOnTheBusRetriggersItsRun(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	d.fail("run-1")
	for _, source := range []string{"com.example", partner} {
		sent, err := d.buses.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{{
			EventBusName: &d.bus, Source: &source, DetailType: aws.String("Platform notifications:source_flow_run_error"), Detail: aws.String(string(d.adobe.FailureEvent("run-1"))),
		}}})
		must(t, err)
		if sent.FailedEntryCount != 0 {
			t.Fatalf("%v", sent.Entries)
		}
	}
	received, deleted, err := d.mapping(t, d.rie(t)).Poll(t.Context(), 10)
	if err != nil || received != 1 || deleted != 1 {
		t.Fatalf("%d messages received, %d deleted, %v; want one of each", received, deleted, err)
	}
	if n := d.adobe.Retriggers("run-1"); n != 1 {
		t.Errorf("the run was re-triggered %d times, want once", n)
	}
}

// TestAMessageOnTheQueueRetriggersItsRun: once, though it comes twice; and the ledger keeps
// each entry until the time that the table's time to live reads.
func TestAMessageOnTheQueueRetriggersItsRun(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	d.fail("run-1")
	mapping := d.mapping(t, d.function(t))
	for range 2 {
		d.send(t, `{"runId":"run-1"}`)
		if received, deleted, err := mapping.Poll(t.Context(), 10); err != nil || received != 1 || deleted != 1 {
			t.Fatalf("%d messages received, %d deleted, %v; want one of each", received, deleted, err)
		}
	}
	if n := d.adobe.Retriggers("run-1"); n != 1 {
		t.Errorf("the run was re-triggered %d times, want once", n)
	}
	var ttl struct{ AttributeName string }
	must(t, convert(d.wanted["Ledger"].Properties["TimeToLiveSpecification"], &ttl))
	items, err := d.tables.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(d.outputs["LedgerTable"])})
	must(t, err)
	entries := 0
	for _, item := range items.Items {
		if _, is := item["lineage"]; !is {
			continue // no run's
		}
		entries++
		if until, is := item[ttl.AttributeName].(*dynamotypes.AttributeValueMemberN); !is || len(until.Value) != len("1795413000") {
			t.Errorf("an entry's %s is %v, want a time in seconds", ttl.AttributeName, item[ttl.AttributeName])
		}
	}
	if entries == 0 {
		t.Errorf("the ledger has no entry of a run: %v", items.Items)
	}
}

// TestTheScheduleFindsAFailedRun that no event told of: The rule's event is what EventBridge
// hands over.
func TestTheScheduleFindsAFailedRun(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	d.fail("unheard-1")
	name := d.resources["RetriggerFunctionSweep"]
	rule, err := d.buses.DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: &name})
	must(t, err)
	targets, err := d.buses.ListTargetsByRule(t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: &name})
	must(t, err)
	if rule.State != eventtypes.RuleStateEnabled || *rule.ScheduleExpression != "rate(1 hour)" || len(targets.Targets) != 1 || *targets.Targets[0].Arn != d.outputs["FunctionArn"] {
		t.Fatalf("the rule %s (%s, %s) leads to %d targets, want the function alone", name, rule.State, *rule.ScheduleExpression, len(targets.Targets))
	}
	payload := aws.ToString(targets.Targets[0].Input)
	if payload == "" { // then EventBridge sends its own
		payload = fmt.Sprintf(`{"version":"0","id":"cdc73f9d-aea9-11e3-9d5a-835b769c0d9c","detail-type":"Scheduled Event","source":"aws.events","account":%q,"time":%q,"region":%q,"resources":[%q],"detail":{}}`,
			awssim.Account, time.Now().UTC().Format(time.RFC3339), region, *rule.Arn)
	}
	function := d.function(t)
	must(t, lambdaenv.InvokeAsync(t.Context(), function, []byte(payload), func(envelope []byte) error {
		return fmt.Errorf("the sweep failed: %s", envelope)
	}))
	until(t, d.mapping(t, function), "the re-trigger", func() bool { return d.adobe.Retriggers("unheard-1") == 1 })
}

// TestWhatCannotBeRetriedIsADeadLetter on the stack's own queue, with its reason.
func TestWhatCannotBeRetriedIsADeadLetter(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	mapping := d.mapping(t, d.function(t))
	for body, reason := range map[string]string{`{"runId":"nobody-knows-it"}`: "run_not_found", `nobody-knows-it`: "unreadable"} {
		d.send(t, body)
		if received, deleted, err := mapping.Poll(t.Context(), 10); err != nil || received != 1 || deleted != 1 {
			t.Fatalf("%d messages received, %d deleted, %v; want one of each", received, deleted, err)
		}
		out, err := d.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(d.outputs["DeadLetterQueueUrl"]), MaxNumberOfMessages: 10, WaitTimeSeconds: 10, MessageAttributeNames: []string{"All"},
		})
		must(t, err)
		if len(out.Messages) != 1 {
			t.Fatalf("%s: %d dead letters, want one", body, len(out.Messages))
		}
		letter := out.Messages[0]
		if got := aws.ToString(letter.MessageAttributes["reason"].StringValue); got != reason || !strings.Contains(*letter.Body, "nobody-knows-it") {
			t.Errorf("the dead letter of %s is %s, with the reason %q, want %q", body, *letter.Body, got, reason)
		}
		all, err := json.Marshal(letter)
		must(t, err)
		if strings.Contains(string(all), flowsim.TokenPrefix) || strings.Contains(string(all), stack.ClientSecret) {
			t.Error("the dead letter holds a secret or token")
		}
		_, err = d.queues.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: aws.String(d.outputs["DeadLetterQueueUrl"]), ReceiptHandle: letter.ReceiptHandle})
		must(t, err)
	}
}
