package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// The parts of AWS's clients that a Stack uses.
type (
	// CloudFormation names the resources of a stack, and the other stacks.
	CloudFormation interface {
		DescribeStackResources(context.Context, *cloudformation.DescribeStackResourcesInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackResourcesOutput, error)
		DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
	}
	// Functions tells how the function is configured.
	Functions interface {
		GetFunctionConfiguration(context.Context, *lambda.GetFunctionConfigurationInput, ...func(*lambda.Options)) (*lambda.GetFunctionConfigurationOutput, error)
	}
	// Queues tells how many messages a queue has.
	Queues interface {
		GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
	}
	// Tables describes the ledger's table.
	Tables interface {
		DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	}
	// Rules tells whether events are let through, and where to.
	Rules interface {
		DescribeRule(context.Context, *eventbridge.DescribeRuleInput, ...func(*eventbridge.Options)) (*eventbridge.DescribeRuleOutput, error)
		ListTargetsByRule(context.Context, *eventbridge.ListTargetsByRuleInput, ...func(*eventbridge.Options)) (*eventbridge.ListTargetsByRuleOutput, error)
	}
	// Alarms lists the stack's alarms.
	Alarms interface {
		DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
	}
	// Topics tells who hears an alarm.
	Topics interface {
		ListSubscriptionsByTopic(context.Context, *sns.ListSubscriptionsByTopicInput, ...func(*sns.Options)) (*sns.ListSubscriptionsByTopicOutput, error)
	}
)

// Stack looks a stack over.
type Stack struct {
	Operator       *operate.Operator
	CloudFormation CloudFormation
	Functions      Functions
	Queues         Queues
	Tables         Tables
	Rules          Rules
	Alarms         Alarms
	Topics         Topics
	// TableOf returns the reading half of another stack's ledger.
	TableOf func(name string) store.Reader
	// Version is this command's.
	Version string
}

// Check makes every check of the stack.
func (s *Stack) Check(ctx context.Context) []Check {
	if s.Operator.Stack.Local {
		return slices.Concat(s.credentials(ctx, nil), s.life(ctx, nil), s.queues(ctx, nil))
	}
	var checks []Check
	resources, fault := s.resources(ctx)
	if fault != nil {
		checks = append(checks, *fault)
	}
	for _, look := range []func(context.Context, map[string]string) []Check{
		s.function, s.credentials, s.life, s.queues, s.table, s.rule, s.alarms, s.neighbors,
	} {
		checks = append(checks, look(ctx, resources)...)
	}
	return checks
}

// cannot is a check that AWS refused or could not answer.
func cannot(subject string, err error) Check {
	err = operate.AWSError(err)
	return unknown(subject, err.Error(), "Ask for the permission that is named, or have somebody look who has it: the stack's reader policy has it.")
}

// resources maps the template's names of resources to their own.
func (s *Stack) resources(ctx context.Context) (map[string]string, *Check) {
	found, err := s.CloudFormation.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &s.Operator.Stack.Name})
	if err != nil {
		check := cannot("stack "+s.Operator.Stack.Name, err)
		return nil, &check
	}
	resources := map[string]string{}
	for _, r := range found.StackResources {
		resources[aws.ToString(r.LogicalResourceId)] = aws.ToString(r.PhysicalResourceId)
	}
	return resources, nil
}

// function looks at how the function is deployed.
func (s *Stack) function(ctx context.Context, _ map[string]string) []Check {
	name := s.Operator.Stack.Function
	subject := "function " + name
	c, err := s.Functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return []Check{cannot(subject, err)}
	}
	switch {
	case c.State != "" && c.State != lambdatypes.StateActive && c.State != lambdatypes.StateInactive:
		return []Check{finding(subject, fmt.Sprintf("its state is %s: %s", c.State, aws.ToString(c.StateReason)), "Deploy the stack again.")}
	case c.LastUpdateStatus == lambdatypes.LastUpdateStatusFailed:
		return []Check{finding(subject, "its last update failed: "+aws.ToString(c.LastUpdateStatusReason), "Deploy the stack again.")}
	}
	return []Check{good(subject, "it is deployed, since "+aws.ToString(c.LastModified))}
}

// counts are the messages of a queue.
func counts(attributes map[string]string) string {
	return fmt.Sprintf("%s visible, %s being worked on, %s delayed",
		cmp.Or(attributes["ApproximateNumberOfMessages"], "0"), cmp.Or(attributes["ApproximateNumberOfMessagesNotVisible"], "0"), cmp.Or(attributes["ApproximateNumberOfMessagesDelayed"], "0"))
}

// queues looks at both queues.
func (s *Stack) queues(ctx context.Context, _ map[string]string) []Check {
	read := func(url string) (map[string]string, error) {
		out, err := s.Queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
		if err != nil {
			return nil, err
		}
		return out.Attributes, nil
	}
	var checks []Check
	requests, err := read(s.Operator.Stack.RequestQueueURL)
	switch {
	case err != nil:
		checks = append(checks, cannot("request queue", err))
	case requests["RedrivePolicy"] == "":
		checks = append(checks, finding("request queue", "it has no dead-letter queue: messages that fail are lost after their retention", "Deploy the stack again, so that its RedrivePolicy comes back."))
	default:
		checks = append(checks, good("request queue", counts(requests)))
	}
	letters, err := read(s.Operator.Stack.DeadLetterQueueURL)
	n := letters["ApproximateNumberOfMessages"]
	switch {
	case err != nil:
		checks = append(checks, cannot("dead-letter queue", err))
	case n != "0" && n != "":
		checks = append(checks, finding("dead-letter queue", counts(letters), "Look at them with aep-retrigger dead-letters list, mend the cause, and send them again."))
	default:
		checks = append(checks, good("dead-letter queue", counts(letters)))
	}
	return checks
}

// indexes are those that the ledger's table must have.
func indexes() []string { return []string{store.IndexLineage, store.IndexFlow, store.IndexList} }

// table looks at the ledger's table.
func (s *Stack) table(ctx context.Context, _ map[string]string) []Check {
	subject := "ledger " + s.Operator.Stack.LedgerTable
	out, err := s.Tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.Operator.Stack.LedgerTable})
	if errors.As(err, new(*ddbtypes.ResourceNotFoundException)) {
		return []Check{finding(subject, "there is no such table in this account and region", "Nothing is retried meanwhile, and nothing lost. If it was deleted, restore it from its backup under this name; if the parameter LedgerTable is wrong, deploy with the right one (docs/accounts.md).")}
	}
	if err != nil {
		return []Check{cannot(subject, err)}
	}
	t := out.Table
	if t.TableStatus != ddbtypes.TableStatusActive && t.TableStatus != ddbtypes.TableStatusUpdating {
		return []Check{finding(subject, "its status is "+string(t.TableStatus), "Wait until it is ACTIVE; nothing is retried meanwhile, and nothing lost.")}
	}
	for _, k := range t.KeySchema {
		if name := aws.ToString(k.AttributeName); name != store.AttributeKey {
			return []Check{finding(subject, "it is no ledger: its key is "+name+" and not "+store.AttributeKey, "Deploy with the LedgerTable that a stack of aep-retrigger has made (docs/accounts.md).")}
		}
	}
	missing := indexes()
	for _, i := range t.GlobalSecondaryIndexes {
		if i.IndexStatus == ddbtypes.IndexStatusActive || i.IndexStatus == ddbtypes.IndexStatusUpdating {
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == aws.ToString(i.IndexName) })
		}
	}
	if len(missing) > 0 {
		return []Check{finding(subject, "it lacks the indexes "+strings.Join(missing, ", ")+", or they are being made", "Wait some minutes. If they don't come, deploy the stack again; a table that LedgerTable names must have them already (docs/accounts.md).")}
	}
	return []Check{good(subject, fmt.Sprintf("it has its indexes and about %d entries", aws.ToInt64(t.ItemCount)))}
}

// rule looks at the rule that brings Adobe's events.
func (s *Stack) rule(ctx context.Context, resources map[string]string) []Check {
	id := cmp.Or(resources["EventRule"], resources["EventRuleToFunction"])
	if resources == nil {
		return []Check{unknown("event rule", "the stack's resources are not known", "See above.")}
	}
	if id == "" {
		return []Check{finding("event rule", "there is none: failures are found by sweeps alone", "Associate Adobe's partner event source with a bus and deploy with EventBusName (docs/deploy.md), unless you want sweeps alone.")}
	}
	name, bus := id, (*string)(nil)
	if of, rest, ok := cutLast(id, "|"); ok { // of another bus than the default one
		name, bus = rest, &of
	}
	rule, err := s.Rules.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name, EventBusName: bus})
	if err != nil {
		return []Check{cannot("event rule", err)}
	}
	if rule.State == ebtypes.RuleStateDisabled {
		return []Check{finding("event rule", name+" is disabled", "Enable it: aws events enable-rule --name "+name+" --event-bus-name "+aws.ToString(rule.EventBusName)+".")}
	}
	targets, err := s.Rules.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &name, EventBusName: bus})
	if err != nil {
		return []Check{cannot("event rule", err)}
	}
	if len(targets.Targets) == 0 {
		return []Check{finding("event rule", name+" has no target", "Deploy the stack again.")}
	}
	return []Check{good("event rule", fmt.Sprintf("%s is enabled on the bus %s", name, aws.ToString(rule.EventBusName)))}
}

// cutLast cuts a text around the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return "", text, false
	}
	return text[:i], text[i+len(separator):], true
}

// alarms looks at the stack's alarms, and at who hears them.
func (s *Stack) alarms(ctx context.Context, _ map[string]string) []Check {
	prefix := s.Operator.Stack.Name + "-"
	var all []cwtypes.MetricAlarm
	in := &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: &prefix}
	for {
		out, err := s.Alarms.DescribeAlarms(ctx, in)
		if err != nil {
			return []Check{cannot("alarms", err)}
		}
		all = append(all, out.MetricAlarms...)
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	if len(all) == 0 {
		return []Check{finding("alarms", "no alarm begins with "+prefix, "Deploy the stack again.")}
	}
	var checks []Check
	for _, a := range all {
		if a.StateValue == cwtypes.StateValueAlarm {
			checks = append(checks, finding("alarm "+aws.ToString(a.AlarmName), "it is raised since "+aws.ToTime(a.StateUpdatedTimestamp).UTC().Format(time.RFC3339), "docs/runbook.md says what to do about it."))
		}
	}
	return append(checks, s.ears(ctx, all)...)
}

// ears tells whether somebody hears the alarms.
func (s *Stack) ears(ctx context.Context, alarms []cwtypes.MetricAlarm) []Check {
	const fix = "Deploy with NotifyEmail, or with AlarmTopicArn."
	topics, silent := map[string]bool{}, 0
	for _, a := range alarms {
		if !aws.ToBool(a.ActionsEnabled) || len(a.AlarmActions) == 0 {
			silent++
			continue
		}
		for _, action := range a.AlarmActions {
			topics[action] = true
		}
	}
	if silent > 0 {
		return []Check{finding("alarms", fmt.Sprintf("%d of %d alarms tell nobody", silent, len(alarms)), fix)}
	}
	var checks []Check
	for topic := range topics {
		if !strings.Contains(topic, ":sns:") {
			continue // another action, such as a function, hears it
		}
		out, err := s.Topics.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(topic)})
		if err != nil {
			checks = append(checks, cannot("alarms", err))
			continue
		}
		confirmed := 0
		for _, one := range out.Subscriptions {
			if arn := aws.ToString(one.SubscriptionArn); arn != "PendingConfirmation" && arn != "Deleted" {
				confirmed++
			}
		}
		switch {
		case confirmed > 0:
			checks = append(checks, good("alarms", fmt.Sprintf("%d alarms go to %s, which %d subscribers hear", len(alarms), topic, confirmed)))
		case len(out.Subscriptions) > 0:
			checks = append(checks, finding("alarms", topic+" has subscribers, and none has confirmed", "Open the confirmation that AWS has sent by e-mail, and confirm it."))
		default:
			checks = append(checks, finding("alarms", topic+" has no subscriber", "Subscribe an address to it: aws sns subscribe."))
		}
	}
	slices.SortFunc(checks, func(a, b Check) int { return strings.Compare(a.Detail, b.Detail) })
	return checks
}

// neighbors looks for other stacks of aep-retrigger in the region that serve one of this
// stack's orgs with another ledger: each would retry the org's runs, and neither knows of
// the other's attempts.
func (s *Stack) neighbors(ctx context.Context, _ map[string]string) []Check {
	own, err := orgsOf(ctx, s.Operator.Table)
	if err != nil {
		return []Check{unknown("other stacks", "this stack's orgs can't be read: "+err.Error(), "See above.")}
	}
	in := &cloudformation.DescribeStacksInput{}
	var checks []Check
	looked := 0
	for {
		out, err := s.CloudFormation.DescribeStacks(ctx, in)
		if err != nil {
			err = operate.AWSError(err)
			if fault, ok := errors.AsType[*operate.Error](err); !ok || fault.Kind != operate.NotAllowed {
				return []Check{cannot("other stacks", err)}
			}
			return []Check{unknown("other stacks", "you lack the permission cloudformation:DescribeStacks for all stacks", "The stack's policies allow a look at this stack alone: ask somebody who may list all stacks of the region, or compare the secrets of other stacks by hand. No org may have two ledgers.")}
		}
		for _, stack := range out.Stacks {
			outputs := map[string]string{}
			for _, o := range stack.Outputs {
				outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
			}
			table := outputs["LedgerTable"]
			if aws.ToString(stack.StackName) == s.Operator.Stack.Name || table == "" || outputs["DeadLetterQueueUrl"] == "" || table == s.Operator.Stack.LedgerTable {
				continue
			}
			looked++
			checks = append(checks, s.neighbor(ctx, aws.ToString(stack.StackName), table, own)...)
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	if len(checks) == 0 {
		return []Check{good("other stacks", fmt.Sprintf("no other stack of this region serves the same org with another ledger (%d of aep-retrigger looked at)", looked))}
	}
	return checks
}

// neighbor compares the orgs of another stack with this one's.
func (s *Stack) neighbor(ctx context.Context, name, table string, own []string) []Check {
	theirs, err := orgsOf(ctx, s.TableOf(table))
	if err != nil {
		return []Check{unknown("stack "+name, "its orgs can't be read: "+operate.AWSError(err).Error(), "Compare its secrets with this stack's by hand: no org may have two ledgers.")}
	}
	var both []string
	for _, org := range theirs {
		if slices.Contains(own, org) {
			both = append(both, org)
		}
	}
	if len(both) == 0 {
		return nil
	}
	return []Check{finding("stack "+name, fmt.Sprintf("it serves the same org %s with another ledger (%s): runs may be retried twice", strings.Join(both, ", "), table), "Delete one of the two stacks, let the org be in one of them only, or give both the same LedgerTable (docs/accounts.md).")}
}

// orgsOf are the orgs that a ledger's function has worked for.
func orgsOf(ctx context.Context, table store.Reader) ([]string, error) {
	pulses, err := ledger.Lists{Table: table}.Orgs(ctx)
	orgs := make([]string, len(pulses))
	for i, p := range pulses {
		orgs[i] = p.OrgID
	}
	return orgs, err
}
