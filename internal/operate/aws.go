package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/aep-retrigger/aep-retrigger/internal/keepalive"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
)

// Target says which stack is meant.
type Target struct {
	// Stack is its name; empty for [DefaultStack].
	Stack string
	// Region and Profile are those of AWS; empty for the person's own settings.
	Region, Profile string
	// Local means the stack on this machine, LocalFile the file that describes it; empty
	// for [LocalFile] here or above.
	Local     bool
	LocalFile string
	// Version is this command's, for the User-Agent of its calls; empty for none.
	Version string
}

// Product is the command's name in the User-Agent of its calls to AWS and Adobe.
const Product = "aep-retrigger-command"

func (t *Target) local() bool { return t.Local || t.LocalFile != "" }

// calls is what each call to AWS gets: a connection that stays open, and this command's name
// and version, which the account's CloudTrail shows.
func (t *Target) calls() []func(*middleware.Stack) error {
	options := keepalive.Options()
	if t.Version != "" {
		options = append(options, awsmiddleware.AddUserAgentKeyValue(Product, t.Version))
	}
	return options
}

// Open finds the stack and returns its Operator, with the AWS credentials that the person
// has. The error is an [*Error].
func Open(ctx context.Context, t Target) (*Operator, error) {
	if t.local() {
		return openLocal(&t)
	}
	amazon, err := Config(ctx, t)
	if err != nil {
		return nil, err
	}
	stack, err := find(ctx, cloudformation.NewFromConfig(amazon), cmp.Or(t.Stack, DefaultStack), amazon.Region)
	if err != nil {
		return nil, err
	}
	identity := sts.NewFromConfig(amazon)
	return &Operator{
		Stack: stack, Table: dynamo.New(dynamodb.NewFromConfig(amazon), stack.LedgerTable), Queues: sqs.NewFromConfig(amazon), Lambda: lambda.NewFromConfig(amazon),
		Caller: func(ctx context.Context) (string, error) {
			who, err := identity.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			if err != nil {
				return "", AWSError(err)
			}
			return aws.ToString(who.Arn), nil
		},
		Now: time.Now,
	}, nil
}

// Config returns the person's own AWS configuration, if it has a region and credentials. For
// the stack on this machine it is empty. The error is an [*Error].
func Config(ctx context.Context, t Target) (aws.Config, error) {
	if t.local() {
		return aws.Config{}, nil
	}
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithLogger(logging.Nop{}), awsconfig.WithAPIOptions(t.calls())} // what is wrong is an error, and not a line between others
	if t.Region != "" {
		options = append(options, awsconfig.WithRegion(t.Region))
	}
	if t.Profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(t.Profile))
	}
	amazon, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return amazon, &Error{Kind: NotAllowed, Message: "the AWS configuration can't be read: " + err.Error(), Err: err}
	}
	if amazon.Region == "" {
		return amazon, Errorf(Wrong, "no AWS region is set: name it with --region or AWS_REGION")
	}
	if _, err := amazon.Credentials.Retrieve(ctx); err != nil {
		return amazon, &Error{Kind: NotAllowed, Message: "there are no AWS credentials: log in, or name a profile with --profile or AWS_PROFILE (" + lastCause(err) + ")", Err: err}
	}
	return amazon, nil
}

// openLocal returns the Operator of the stack of make up.
func openLocal(t *Target) (*Operator, error) {
	l, err := readLocal(t.LocalFile)
	if err != nil {
		return nil, err
	}
	stack, err := stackOf("local", l.Region, l.Outputs)
	if err != nil {
		return nil, err
	}
	stack.Local = true
	amazon := aws.Config{Region: l.Region, APIOptions: t.calls(), Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
	endpoint := func(service string) *string { return aws.String(l.Endpoints[service]) }
	return &Operator{
		Stack:  stack,
		Table:  dynamo.New(dynamodb.NewFromConfig(amazon, func(o *dynamodb.Options) { o.BaseEndpoint = endpoint("dynamodb") }), stack.LedgerTable),
		Queues: sqs.NewFromConfig(amazon, func(o *sqs.Options) { o.BaseEndpoint = endpoint("sqs") }),
		Lambda: lambda.NewFromConfig(amazon, func(o *lambda.Options) { o.BaseEndpoint = endpoint("lambda") }),
		Caller: func(context.Context) (string, error) { return l.Caller, nil },
		Now:    time.Now,
	}, nil
}

// fault says what an error of AWS means to the person; see [AWSError].
func (o *Operator) fault(err error) error { return AWSError(err) }

// AWSError says what an error of AWS means to the person: which permission is missing, that AWS can't be
// reached, or what AWS said. It returns other [*Error]s as they are.
func AWSError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	action := ""
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		action = actionOf(op.Service(), op.Operation())
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return refusal(err, api, action)
	}
	if n, ok := errors.AsType[net.Error](err); ok {
		return &Error{Kind: Failed, Err: err, Message: fmt.Sprintf("AWS can't be reached for %s: %v", cmp.Or(action, "this"), n)}
	}
	return &Error{Kind: Failed, Err: err, Message: err.Error()}
}

// refusal says what AWS's refusal of an action means to the person.
func refusal(err error, api smithy.APIError, action string) error {
	switch code := api.ErrorCode(); {
	case strings.Contains(code, "AccessDenied") && strings.Contains(strings.ToLower(code+api.ErrorMessage()), "kms"):
		action = keyAction(api.ErrorMessage())
		return &Error{Kind: NotAllowed, Err: err, Message: fmt.Sprintf("you lack the permission %s on the key of KmsKeyArn: %s (AWS says: %s)", action, policyWith(action), api.ErrorMessage())}
	case strings.Contains(code, "AccessDenied") || code == "UnauthorizedOperation" || code == "AuthorizationError":
		return &Error{Kind: NotAllowed, Err: err, Message: fmt.Sprintf("you lack the permission %s: %s (AWS says: %s)", action, policyWith(action), api.ErrorMessage())}
	case strings.Contains(code, "ExpiredToken") || code == "UnrecognizedClientException" || code == "InvalidClientTokenId" || code == "RequestExpired":
		return &Error{Kind: NotAllowed, Err: err, Message: "the AWS credentials are not valid any more: log in again (AWS says: " + api.ErrorMessage() + ")"}
	default:
		return &Error{Kind: Failed, Err: err, Message: fmt.Sprintf("%s failed: %s: %s", action, code, api.ErrorMessage())}
	}
}

// keyAction is the action of KMS that AWS's words name. A service calls KMS in the name of its
// caller, who need not know of it.
func keyAction(words string) string {
	if strings.Contains(words, "kms:GenerateDataKey") {
		return "kms:GenerateDataKey"
	}
	return "kms:Decrypt"
}

// actionOf is the IAM action of an operation. Its words differ for some services.
func actionOf(service, operation string) string {
	switch service {
	case "Lambda":
		if operation == "Invoke" {
			operation = "InvokeFunction"
		}
	case "SQS": // a batch needs the permission of its single calls
		operation = strings.TrimSuffix(operation, "Batch")
	case "CloudWatch Logs":
		service = "logs"
	case "EventBridge":
		service = "events"
	}
	return strings.ToLower(service) + ":" + operation
}

// policyWith says which of the template's managed policies has the action.
func policyWith(action string) string {
	switch action {
	case "lambda:InvokeFunction", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:SendMessage", "kms:GenerateDataKey":
		return "the stack's operator policy has it (output OperatorPolicyArn)"
	case "cloudformation:DescribeStacks", "cloudformation:DescribeStackResources", "dynamodb:Query", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:DescribeTable",
		"sqs:GetQueueAttributes", "cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms", "logs:StartQuery", "logs:FilterLogEvents", "logs:GetQueryResults",
		"lambda:GetFunctionConfiguration", "events:DescribeRule", "events:ListTargetsByRule", "sns:ListSubscriptionsByTopic", "kms:Decrypt":
		return "the stack's reader and operator policies have it (outputs ReaderPolicyArn and OperatorPolicyArn)"
	}
	return "ask who manages the AWS account for it"
}

// lastCause is the innermost of nested errors, which says the most.
func lastCause(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
