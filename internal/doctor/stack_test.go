package doctor_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/aep-retrigger/aep-retrigger/internal/doctor"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

// amazon answers as AWS does for a stack that is well. A test changes one thing.
type amazon struct {
	denied    string // the operation that is refused
	resources map[string]string
	stacks    []cfntypes.Stack
	function  lambda.GetFunctionConfigurationOutput
	queues    map[string]map[string]string // attributes by URL
	indexes   []string
	table     ddbtypes.TableStatus
	key       string // the table's
	gone      bool   // there is no table
	rule      ebtypes.RuleState
	targets   int
	bus       string // the bus that the rule was asked for on
	alarms    []cwtypes.MetricAlarm
	ears      []string // ARNs of the topic's subscriptions
}

const topic = "arn:aws:sns:eu-west-1:123456789012:alarms"

func wellStack() *amazon {
	alarm := cwtypes.MetricAlarm{AlarmName: new("aep-retrigger-DeadLettersAlarm-1"), ActionsEnabled: new(true), AlarmActions: []string{topic}, StateValue: cwtypes.StateValueOk}
	return &amazon{
		resources: map[string]string{"EventRule": "aws.partner/developer.adobe.com/1|aep-retrigger-EventRule-1"},
		function:  lambda.GetFunctionConfigurationOutput{State: lambdatypes.StateActive, LastUpdateStatus: lambdatypes.LastUpdateStatusSuccessful, LastModified: new("2026-11-20T00:00:00.000+0000")},
		queues: map[string]map[string]string{
			"requests": {"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "1", "ApproximateNumberOfMessagesDelayed": "2", "RedrivePolicy": "{}"},
			"letters":  {"ApproximateNumberOfMessages": "0"},
		},
		indexes: []string{"lineage", "flow", "listed"}, table: ddbtypes.TableStatusActive, key: "pk", rule: ebtypes.RuleStateEnabled, targets: 1,
		alarms: []cwtypes.MetricAlarm{alarm}, ears: []string{topic + ":1"},
	}
}

// refuse is AWS's answer where the permission is missing.
func (a *amazon) refuse(service, operation string) error {
	if a.denied != operation {
		return nil
	}
	return &smithy.OperationError{ServiceID: service, OperationName: operation, Err: &smithy.GenericAPIError{
		Code: "AccessDeniedException", Message: "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: " + service + ":" + operation,
	}}
}

func (a *amazon) DescribeStackResources(context.Context, *cloudformation.DescribeStackResourcesInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackResourcesOutput, error) {
	var out cloudformation.DescribeStackResourcesOutput
	for logical, physical := range a.resources {
		out.StackResources = append(out.StackResources, cfntypes.StackResource{LogicalResourceId: new(logical), PhysicalResourceId: new(physical)})
	}
	return &out, a.refuse("CloudFormation", "DescribeStackResources")
}

func (a *amazon) DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	return &cloudformation.DescribeStacksOutput{Stacks: a.stacks}, a.refuse("CloudFormation", "DescribeStacks")
}

func (a *amazon) GetFunctionConfiguration(context.Context, *lambda.GetFunctionConfigurationInput, ...func(*lambda.Options)) (*lambda.GetFunctionConfigurationOutput, error) {
	return &a.function, a.refuse("Lambda", "GetFunctionConfiguration")
}

func (a *amazon) GetQueueAttributes(_ context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: a.queues[*in.QueueUrl]}, a.refuse("SQS", "GetQueueAttributes")
}

func (a *amazon) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	if a.gone {
		return nil, &ddbtypes.ResourceNotFoundException{Message: new("Requested resource not found: Table: ledger not found")}
	}
	table := &ddbtypes.TableDescription{TableStatus: a.table, ItemCount: new(int64(7)), KeySchema: []ddbtypes.KeySchemaElement{{AttributeName: new(a.key), KeyType: ddbtypes.KeyTypeHash}}}
	for _, name := range a.indexes {
		table.GlobalSecondaryIndexes = append(table.GlobalSecondaryIndexes, ddbtypes.GlobalSecondaryIndexDescription{IndexName: new(name), IndexStatus: ddbtypes.IndexStatusActive})
	}
	return &dynamodb.DescribeTableOutput{Table: table}, a.refuse("DynamoDB", "DescribeTable")
}

func (a *amazon) DescribeRule(_ context.Context, in *eventbridge.DescribeRuleInput, _ ...func(*eventbridge.Options)) (*eventbridge.DescribeRuleOutput, error) {
	a.bus = aws.ToString(in.EventBusName)
	return &eventbridge.DescribeRuleOutput{Name: in.Name, State: a.rule, EventBusName: new("adobe")}, a.refuse("EventBridge", "DescribeRule")
}

func (a *amazon) ListTargetsByRule(context.Context, *eventbridge.ListTargetsByRuleInput, ...func(*eventbridge.Options)) (*eventbridge.ListTargetsByRuleOutput, error) {
	return &eventbridge.ListTargetsByRuleOutput{Targets: make([]ebtypes.Target, a.targets)}, a.refuse("EventBridge", "ListTargetsByRule")
}

// DescribeAlarms gives one alarm a page, as CloudWatch may.
func (a *amazon) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	i := len(aws.ToString(in.NextToken))
	out := &cloudwatch.DescribeAlarmsOutput{}
	if i < len(a.alarms) {
		out.MetricAlarms = a.alarms[i : i+1]
	}
	if i+1 < len(a.alarms) {
		out.NextToken = new(strings.Repeat("n", i+1))
	}
	return out, a.refuse("CloudWatch", "DescribeAlarms")
}

func (a *amazon) ListSubscriptionsByTopic(context.Context, *sns.ListSubscriptionsByTopicInput, ...func(*sns.Options)) (*sns.ListSubscriptionsByTopicOutput, error) {
	var out sns.ListSubscriptionsByTopicOutput
	for _, arn := range a.ears {
		out.Subscriptions = append(out.Subscriptions, snstypes.Subscription{SubscriptionArn: new(arn)})
	}
	return &out, a.refuse("SNS", "ListSubscriptionsByTopic")
}

// examine makes all checks of the stack.
func examine(t *testing.T, a *amazon, change func(*doctor.Stack)) string {
	t.Helper()
	s := &doctor.Stack{
		Operator: &operate.Operator{
			Stack: operate.Stack{Name: "aep-retrigger", Function: "fn", LedgerTable: "ledger", RequestQueueURL: "requests", DeadLetterQueueURL: "letters"},
			Table: orgs(t, alive(org)), Now: func() time.Time { return now },
			Lambda: answers{payload: `{"status":{}}`},
		},
		CloudFormation: a, Functions: a, Queues: a, Tables: a, Rules: a, Alarms: a, Topics: a, Version: "1.0.0",
		TableOf: func(string) store.Reader { return memory.New() },
	}
	if change != nil {
		change(s)
	}
	var lines []string
	for _, c := range s.Check(t.Context()) {
		lines = append(lines, string(c.Verdict)+" "+c.Subject+": "+c.Detail+" → "+c.Fix)
	}
	return strings.Join(lines, "\n")
}

func TestEachFaultOfAStackSaysWhatToMend(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*amazon)
		want   []string
	}{
		{"all is well", func(*amazon) {}, []string{
			"good function fn: it is deployed", "good request queue: 3 visible, 1 being worked on, 2 delayed", "good dead-letter queue: 0 visible",
			"good ledger ledger: it has its indexes", "good event rule: aep-retrigger-EventRule-1 is enabled on the bus adobe", "good alarms: 1 alarms go to " + topic,
		}},
		{"the update failed", func(a *amazon) {
			a.function.LastUpdateStatus, a.function.LastUpdateStatusReason = lambdatypes.LastUpdateStatusFailed, new("no role")
		}, []string{"finding function fn: its last update failed: no role"}},
		{"there are dead letters", func(a *amazon) { a.queues["letters"]["ApproximateNumberOfMessages"] = "4" }, []string{"finding dead-letter queue: 4 visible", "dead-letters list"}},
		{"the request queue has no dead-letter queue", func(a *amazon) { delete(a.queues["requests"], "RedrivePolicy") }, []string{"finding request queue: it has no dead-letter queue"}},
		{"an index is missing", func(a *amazon) { a.indexes = a.indexes[:2] }, []string{"finding ledger ledger: it lacks the indexes listed"}},
		{"the table is not there", func(a *amazon) { a.gone = true }, []string{"finding ledger ledger: there is no such table in this account and region", "LedgerTable"}},
		{"the table is another application's", func(a *amazon) { a.key = "orderId" }, []string{"finding ledger ledger: it is no ledger: its key is orderId and not pk", "LedgerTable"}},
		{"the table is being deleted", func(a *amazon) { a.table = ddbtypes.TableStatusDeleting }, []string{"finding ledger ledger: its status is DELETING"}},
		{"there is no rule", func(a *amazon) { a.resources = map[string]string{} }, []string{"finding event rule: there is none", "EventBusName"}},
		{"the rule is disabled", func(a *amazon) { a.rule = ebtypes.RuleStateDisabled }, []string{"finding event rule: aep-retrigger-EventRule-1 is disabled", "aws events enable-rule"}},
		{"the rule has no target", func(a *amazon) { a.targets = 0 }, []string{"finding event rule: aep-retrigger-EventRule-1 has no target"}},
		{"an alarm is raised", func(a *amazon) { a.alarms[0].StateValue = cwtypes.StateValueAlarm }, []string{"finding alarm aep-retrigger-DeadLettersAlarm-1: it is raised", "runbook"}},
		{"an alarm of the second page tells nobody", func(a *amazon) {
			a.alarms = append(a.alarms, cwtypes.MetricAlarm{AlarmName: new("b"), ActionsEnabled: new(true)})
		}, []string{"finding alarms: 1 of 2 alarms tell nobody", "NotifyEmail"}},
		{"nobody has confirmed the e-mail", func(a *amazon) { a.ears = []string{"PendingConfirmation"} }, []string{"finding alarms: " + topic + " has subscribers, and none has confirmed"}},
		{"nobody hears the topic", func(a *amazon) { a.ears = nil }, []string{"finding alarms: " + topic + " has no subscriber"}},
		{"there are no alarms", func(a *amazon) { a.alarms = nil }, []string{"finding alarms: no alarm begins with aep-retrigger-"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := wellStack()
			test.change(a)
			got := examine(t, a, nil)
			want(t, got, test.want...)
			if a.bus != "" && a.bus != "aws.partner/developer.adobe.com/1" {
				t.Errorf("the rule was asked for on the bus %q", a.bus)
			}
		})
	}
}

func TestMissingPermissionIsNamedAndIsNoFinding(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{
		"DescribeStackResources", "DescribeStacks", "GetFunctionConfiguration", "GetQueueAttributes", "DescribeTable", "DescribeRule", "ListTargetsByRule", "DescribeAlarms", "ListSubscriptionsByTopic",
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			a := wellStack()
			a.denied = operation
			got := examine(t, a, nil)
			want(t, got, "unknown ", ":"+operation)
			if strings.Contains(got, "finding ") && operation != "DescribeStackResources" {
				t.Errorf("what can't be looked at is no finding:\n%s", got)
			}
		})
	}
}

func TestOtherStacksThatMayNotBeListedAreNotSaidToBeInTheReadersPolicy(t *testing.T) {
	t.Parallel()
	a := wellStack()
	a.denied = "DescribeStacks"
	want(t, examine(t, a, nil), "unknown other stacks: ", "allow a look at this stack alone")
}
