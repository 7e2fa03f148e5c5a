//go:build cloud

package cloud

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
)

// TestEachResourceIsMade by one of two sets of parameters, and so is each output.
func TestEachResourceIsMade(t *testing.T) {
	t.Parallel()
	const key = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000"
	few := deploy(t, map[string]string{"EventBusName": ""})
	all := deploy(t, map[string]string{
		"NotifyEmail": "someone@example.com", "EventTarget": "function", "NoEventAlarmHours": "24",
		"SecretKmsKeyArns": key, "KmsKeyArn": key, "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
		"AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:alarms",
	})
	for name := range all.made.Resources {
		if _, is := all.resources[name]; !is && name != "NoticeBus" { // see refused
			t.Errorf("%s was not made", name)
		}
	}
	for name := range few.wanted {
		if _, is := few.resources[name]; !is {
			t.Errorf("%s was not made without the optional parameters", name)
		}
	}
	for name := range all.made.Outputs {
		if all.outputs[name] == "" {
			t.Errorf("the output %s is empty", name)
		}
	}
}

// TestTheQueuesAreAsTheTemplateSays, seen through SQS.
func TestTheQueuesAreAsTheTemplateSays(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	for logicalID, output := range map[string]string{"RequestQueue": "QueueUrl", "DeadLetterQueue": "DeadLetterQueueUrl"} {
		got := d.attributes(t, output)
		for _, name := range []string{"VisibilityTimeout", "MaximumMessageSize", "MessageRetentionPeriod", "SqsManagedSseEnabled"} {
			value, is := d.wanted[logicalID].Properties[name]
			if !is && name == "VisibilityTimeout" {
				continue // of the dead-letter queue, which nobody polls
			}
			text, err := json.Marshal(value)
			must(t, err)
			if got[name] != string(text) {
				t.Errorf("%s of %s is %q, want %s", name, logicalID, got[name], text)
			}
		}
	}
	var redrive struct {
		DeadLetterTargetArn string      `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.Number `json:"maxReceiveCount"`
	}
	must(t, json.Unmarshal([]byte(d.attributes(t, "QueueUrl")["RedrivePolicy"]), &redrive))
	if redrive.DeadLetterTargetArn != d.outputs["DeadLetterQueueArn"] || redrive.MaxReceiveCount != "1000" {
		t.Errorf("the request queue's redrive policy is %+v", redrive)
	}
}

// TestTheTableIsTheOneThatTheFunctionReads, with its indexes.
func TestTheTableIsTheOneThatTheFunctionReads(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	name := d.outputs["LedgerTable"]
	out, err := d.tables.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &name})
	must(t, err)
	want := dynamo.Schema(name)
	got := &dynamodb.CreateTableInput{
		TableName: out.Table.TableName, BillingMode: out.Table.BillingModeSummary.BillingMode, AttributeDefinitions: out.Table.AttributeDefinitions, KeySchema: out.Table.KeySchema,
	}
	for _, index := range out.Table.GlobalSecondaryIndexes {
		got.GlobalSecondaryIndexes = append(got.GlobalSecondaryIndexes, dynamotypes.GlobalSecondaryIndex{IndexName: index.IndexName, KeySchema: index.KeySchema, Projection: index.Projection})
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(dynamodb.CreateTableInput{}, dynamotypes.GlobalSecondaryIndex{}, dynamotypes.AttributeDefinition{},
		dynamotypes.KeySchemaElement{}, dynamotypes.Projection{})); diff != "" {
		t.Errorf("the table (-the code's +the stack's):\n%s", diff)
	}
	if got, want := aws.ToBool(out.Table.DeletionProtectionEnabled), d.wanted["Ledger"].Properties["DeletionProtectionEnabled"]; got != want {
		t.Errorf("the table's deletion protection is %t, and the template says %v", got, want)
	}
}

// TestTheFunctionIsAsTheTemplateSays: its code is what was uploaded, and its variables name
// the stack's resources.
func TestTheFunctionIsAsTheTemplateSays(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	c := d.configuration(t)
	sum := sha256.Sum256(prepared.zip)
	got := []any{c.Handler, c.Runtime, c.Timeout, c.MemorySize, c.CodeSha256, c.FunctionArn}
	want := []any{"bootstrap", "provided.al2023", 60, 256, base64.StdEncoding.EncodeToString(sum[:]), d.outputs["FunctionArn"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the function (-want +got):\n%s", diff)
	}
	if !strings.HasSuffix(c.Role, "/"+d.resources["RetriggerRole"]) {
		t.Errorf("the function's role is %s, want %s", c.Role, d.resources["RetriggerRole"])
	}
	reserved, err := d.lambda.GetFunctionConcurrency(t.Context(), &lambda.GetFunctionConcurrencyInput{FunctionName: &c.FunctionName})
	must(t, err)
	if aws.ToInt32(reserved.ReservedConcurrentExecutions) != 5 {
		t.Errorf("%d environments are reserved, want 5", aws.ToInt32(reserved.ReservedConcurrentExecutions))
	}
	var environment struct{ Variables map[string]any }
	must(t, convert(d.wanted["RetriggerFunction"].Properties["Environment"], &environment))
	for name := range environment.Variables {
		if _, is := c.Environment.Variables[name]; !is {
			t.Errorf("the function has no variable %s", name)
		}
	}
	for name, output := range map[string]string{"QUEUE_URL": "QueueUrl", "DEAD_LETTER_QUEUE_URL": "DeadLetterQueueUrl", "LEDGER_TABLE": "LedgerTable", "NOTICE_BUS": "NoticeBusName"} {
		if value := fmt.Sprint(c.Environment.Variables[name]); value != d.outputs[output] {
			t.Errorf("%s is %q, want the output %s: %q", name, value, output, d.outputs[output])
		}
	}
	if mapping := d.mapping(t, nil); mapping.BatchSize != 10 {
		t.Errorf("%+v", mapping)
	}
}
