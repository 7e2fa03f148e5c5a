package doctor

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
)

// Open returns the Stack of an operator on AWS. On this machine there are no alarms, rules
// and other stacks: their checks are left out.
func Open(o *operate.Operator, amazon aws.Config, version string) *Stack {
	s := &Stack{Operator: o, Version: version, Queues: o.Queues}
	if o.Stack.Local {
		return s
	}
	tables := dynamodb.NewFromConfig(amazon)
	s.CloudFormation, s.Functions, s.Queues = cloudformation.NewFromConfig(amazon), lambda.NewFromConfig(amazon), sqs.NewFromConfig(amazon)
	s.Tables, s.Rules = tables, eventbridge.NewFromConfig(amazon)
	s.Alarms, s.Topics = cloudwatch.NewFromConfig(amazon), sns.NewFromConfig(amazon)
	s.TableOf = func(name string) store.Reader { return dynamo.New(tables, name) }
	return s
}
