//go:build template

package config_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
	"github.com/aep-retrigger/aep-retrigger/local/cloudformation"
)

// transformed is what SAM's transform makes of template.yaml: make validate writes it before
// it runs these tests.
func transformed(t *testing.T) cloudformation.Template {
	t.Helper()
	template, err := cloudformation.Read("../../.tools/transformed.json")
	if err != nil {
		t.Fatalf("make validate runs these tests: %v", err)
	}
	return template
}

const (
	aSecret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:aep/ims-AbCdEf"
	aKey    = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	aBus    = "aws.partner/developer.adobe.com/11111111-2222-3333-4444-555555555555"
)

// deployed is the stack with the parameters, each as Name=value.
func deployed(t *testing.T, parameters ...string) *cloudformation.Stack {
	t.Helper()
	set := map[string]string{"SecretArns": aSecret}
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		set[name] = value
	}
	return cloudformation.New(transformed(t), "aep-retrigger", set)
}

// everything sets each parameter that makes a resource, a permission or a property.
func everything() []string {
	return []string{
		"EventBusName=" + aBus, "SecretKmsKeyArns=" + aKey, "KmsKeyArn=" + aKey, "SubnetIds=subnet-0123456789abcdef0,subnet-0123456789abcdef1", "SecurityGroupIds=sg-0123456789abcdef0",
		"PermissionsBoundaryArn=arn:aws:iam::123456789012:policy/boundary", "NotifyEmail=ops@example.com", "AlarmTopicArn=arn:aws:sns:us-east-1:123456789012:alarms", "NoEventAlarmHours=24",
	}
}

// object turns a part of a template into what it is compared with.
func object(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestQueuesOfAStackKeepWhatTheyAreGiven: visibility, receives, retention, sizes and encryption
// of the two queues, with keys of AWS's and with one of one's own.
func TestQueuesOfAStackKeepWhatTheyAreGiven(t *testing.T) {
	t.Parallel()
	const id = "aep-retrigger-requests-12345678-90ab-cdef-1234-567890abcdef"
	for _, key := range []string{"", aKey} {
		all := deployed(t, "KmsKeyArn="+key).Resources()
		timeout, _ := all["RetriggerFunction"].Properties["Timeout"].(float64)
		requests := map[string]any{
			"QueueName": id, "VisibilityTimeout": 6 * timeout, "MaximumMessageSize": sqstext.MaxRequest, "MessageRetentionPeriod": 14 * 24 * 3600,
			"RedrivePolicy": map[string]any{"deadLetterTargetArn": "get(DeadLetterQueue.Arn)", "maxReceiveCount": 1000},
		}
		letters := map[string]any{
			"MaximumMessageSize": sqstext.MaxMessage, "MessageRetentionPeriod": 14 * 24 * 3600,
			"RedriveAllowPolicy": map[string]any{"redrivePermission": "byQueue", "sourceQueueArns": []any{"arn:aws:sqs:us-east-1:123456789012:" + id}},
		}
		encryption := map[string]any{"SqsManagedSseEnabled": true}
		if key != "" {
			encryption = map[string]any{"KmsMasterKeyId": key, "KmsDataKeyReusePeriodSeconds": 3600}
		}
		for name, want := range map[string]map[string]any{"RequestQueue": requests, "DeadLetterQueue": letters} {
			maps.Copy(want, encryption)
			if diff := cmp.Diff(object(t, want), object(t, all[name].Properties)); diff != "" {
				t.Errorf("%s with the key %q (-want +got):\n%s", name, key, diff)
			}
		}
	}
}

// TestTheRuleAloneMaySendToTheQueuesFromOutside: the policies of the queues, with and without
// a rule.
func TestTheRuleAloneMaySendToTheQueuesFromOutside(t *testing.T) {
	t.Parallel()
	for _, bus := range []string{"", aBus} {
		all := deployed(t, "EventBusName="+bus).Resources()
		for _, queue := range []string{"RequestQueue", "DeadLetterQueue"} {
			arn := "get(" + queue + ".Arn)"
			statements := []any{map[string]any{
				"Sid": "OnlyTls", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": arn, "Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
			}}
			if bus != "" {
				statements = append(statements, map[string]any{
					"Sid": "Events", "Effect": "Allow", "Principal": map[string]any{"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
					"Condition": map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": "get(EventRule.Arn)"}},
				})
			}
			want := map[string]any{"Queues": []any{"ref(" + queue + ")"}, "PolicyDocument": map[string]any{"Version": "2012-10-17", "Statement": statements}}
			if diff := cmp.Diff(object(t, want), object(t, all[queue+"Policy"].Properties)); diff != "" {
				t.Errorf("the policy of %s with the bus %q (-want +got):\n%s", queue, bus, diff)
			}
		}
	}
}

// TestOneSourceAndOneScheduleStartTheFunction: and the rule, if it is told to.
func TestOneSourceAndOneScheduleStartTheFunction(t *testing.T) {
	t.Parallel()
	all := deployed(t, "EventBusName="+aBus, "EventTarget=function", "QueueConcurrency=7").Resources()
	var sources, permitted []string
	for _, r := range all {
		switch r.Type {
		case "AWS::Lambda::EventSourceMapping":
			sources = append(sources, object(t, r.Properties))
		case "AWS::Lambda::Permission":
			permitted = append(permitted, fmt.Sprint(r.Properties["Principal"], " ", r.Properties["SourceArn"]))
		}
	}
	want := []string{`{"BatchSize":10,"EventSourceArn":"get(RequestQueue.Arn)","FunctionName":"ref(RetriggerFunction)","FunctionResponseTypes":["ReportBatchItemFailures"],"ScalingConfig":{"MaximumConcurrency":"7"}}`}
	if diff := cmp.Diff(want, sources); diff != "" {
		t.Errorf("event sources (-want +got):\n%s", diff)
	}
	slices.Sort(permitted)
	if diff := cmp.Diff([]string{"events.amazonaws.com get(EventRule.Arn)", "events.amazonaws.com get(RetriggerFunctionSweep.Arn)"}, permitted); diff != "" {
		t.Errorf("who may invoke the function (-want +got):\n%s", diff)
	}
	if failed := object(t, all["RetriggerFunctionEventInvokeConfig"].Properties["DestinationConfig"]); failed != `{"OnFailure":{"Destination":"get(DeadLetterQueue.Arn)"}}` {
		t.Errorf("what can't be handled goes to %s", failed)
	}
}

// environment is what the stack gives the function.
func environment(t *testing.T, s *cloudformation.Stack) map[string]string {
	t.Helper()
	outer, _ := s.Resources()["RetriggerFunction"].Properties["Environment"].(map[string]any)
	variables, _ := outer["Variables"].(map[string]any)
	env := map[string]string{}
	for name, value := range variables {
		env[name] = fmt.Sprint(value)
	}
	return env
}

// TestTheStackSetsWhatTheFunctionReads: each variable but FAULT_INTERVAL, which is for tests,
// and no other. The function starts with them.
func TestTheStackSetsWhatTheFunctionReads(t *testing.T) {
	t.Parallel()
	env := environment(t, deployed(t, everything()...))
	names := append(slices.Collect(maps.Keys(env)), config.FaultInterval)
	if diff := cmp.Diff(slices.Sorted(slices.Values(config.Names())), slices.Sorted(slices.Values(names))); diff != "" {
		t.Errorf("the function reads, and the stack sets (-read +set):\n%s", diff)
	}
	env[config.QueueURL], env[config.DeadLetterQueueURL] = "https://sqs.us-east-1.amazonaws.com/123456789012/requests", "https://sqs.us-east-1.amazonaws.com/123456789012/letters"
	env[config.LedgerTable] = "ledger"
	if _, err := read(env); err != nil {
		t.Error(err)
	}
}

// TestEachAlarmOfTheStackHasItsEntryInTheRunbook: and no other has one.
func TestEachAlarmOfTheStackHasItsEntryInTheRunbook(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, entries, _ := strings.Cut(string(text), "\n## Alarms\n")
	entries, _, _ = strings.Cut(entries, "\n## ")
	var explained, alarms []string
	for _, match := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(entries, -1) {
		explained = append(explained, match[1])
	}
	for name, r := range deployed(t, everything()...).Resources() {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		alarms = append(alarms, name)
		about, _ := r.Properties["AlarmDescription"].(string)
		if !strings.HasSuffix(about, "/docs/runbook.md#"+strings.ToLower(name)) {
			t.Errorf("the text of %s does not end with the address of its entry: %s", name, about)
		}
		if len(about) > 1024 {
			t.Errorf("the text of %s has %d characters, and CloudWatch takes 1024", name, len(about))
		}
		if got, want := object(t, r.Properties["AlarmActions"]), `["arn:aws:sns:us-east-1:123456789012:alarms","ref(NotifyTopic)"]`; got != want || object(t, r.Properties["OKActions"]) != want {
			t.Errorf("%s tells %s", name, got)
		}
		if period, _ := r.Properties["Period"].(float64); period > 0 && period < 60 {
			t.Errorf("%s has a period of %g s", name, period)
		}
	}
	slices.Sort(explained)
	slices.Sort(alarms)
	if diff := cmp.Diff(explained, alarms); diff != "" || len(alarms) < 15 {
		t.Errorf("entries and alarms (-entries +alarms):\n%s", diff)
	}
}

// TestAlarmsOnHoursLookNoFurtherBackThanCloudWatchDoes: seven days, for periods of an hour
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html).
func TestAlarmsOnHoursLookNoFurtherBackThanCloudWatchDoes(t *testing.T) {
	t.Parallel()
	template := transformed(t)
	for _, name := range []string{"NoEvent", "NoSweep"} {
		p := template.Parameters[name+"AlarmHours"]
		alarm := deployed(t, fmt.Sprintf("%sAlarmHours=%g", name, *p.MaxValue)).Resources()[name+"Alarm"].Properties
		text := object(t, alarm)
		if fmt.Sprint(alarm["EvaluationPeriods"]) != fmt.Sprint(*p.MaxValue) || !strings.Contains(text, `"Period":3600`) || *p.MaxValue*3600 > 7*24*3600 {
			t.Errorf("%sAlarm: %s", name, text)
		}
		if _, there := deployed(t, name+"AlarmHours=0").Resources()[name+"Alarm"]; there {
			t.Errorf("with 0 hours there is %sAlarm", name)
		}
	}
}
