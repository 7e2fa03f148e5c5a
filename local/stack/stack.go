// Package stack puts the deployed function, AWS and Adobe together on one
// machine: the binary as its own process, SQS and Secrets Manager, and Flow
// Service with IMS. It is what make run, make up, make invoke and the integration suite
// stand on.
//
// SQS, Secrets Manager and EventBridge are simulated by package awssim and DynamoDB by minidyn,
// unless endpoints of other emulators are given, the execution environment is package lambdaenv's unless the official
// Runtime Interface Emulator is given, and Adobe is package flowsim unless the
// credential of a real org is given.
package stack

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// The simulated org. The secret is recognizable, so that output can be searched
// for it.
const (
	OrgID        = "1234567890ABCDEF@AdobeOrg"
	ClientID     = "flowsim-client"
	ClientSecret = "flowsim-client-secret"
	Sandbox      = "prod"
	SecretID     = "aep/ims"
	Scopes       = "openid,AdobeID,read_organizations,additional_info.projectedProductContext,session"
)

// Names of the queues, the table and the event bus of notices, the visibility timeout and the receives before SQS
// moves a message to the dead-letter queue, as in template.yaml.
const (
	RequestQueue      = "requests"
	DeadLetterQueue   = "dead-letters"
	LedgerTable       = "ledger"
	NoticeBus         = "notices"
	VisibilityTimeout = 6 * time.Minute
	MaxReceives       = 1000
)

// Options choose the parts.
type Options struct {
	// Binary is the bootstrap; see [lambdaenv.Build].
	Binary string
	// Credential is that of a real org; nil simulates Adobe.
	Credential *Credential
	// SQSEndpoint, SecretsEndpoint and DynamoDBEndpoint are those of emulators;
	// empty simulates them.
	SQSEndpoint, SecretsEndpoint, DynamoDBEndpoint string
	// LedgerLatency is how long each call of the simulated DynamoDB takes at least. For so
	// long a transaction is under way, and others that share an item with it are refused.
	LedgerLatency time.Duration
	// RIE is the path of the Runtime Interface Emulator; empty for none.
	RIE string
	// Timeout is the function's; 0 means a minute.
	Timeout time.Duration
	// Env are further variables of the function.
	Env []string
	// Logs receives what the function writes, besides Stack.Log; may be nil.
	Logs io.Writer
	// LogBytes is how much of that Stack.Log keeps at most, the newest; 0 for everything.
	LogBytes int
	// Retention is for how long the simulated queues keep a message; 0 for ever.
	Retention time.Duration
}

// Stack is the running whole.
type Stack struct {
	// Adobe is nil for a real org.
	Adobe *flowsim.Server
	// AWS is nil where both endpoints are emulators'.
	AWS *awssim.Server
	// SQS is a client of the queues.
	SQS                                 *sqs.Client
	RequestQueueURL, DeadLetterQueueURL string
	// Function is how to invoke the function.
	Function lambdaenv.Invoker
	// LambdaURL is where Lambda's Invoke operation is served for it.
	LambdaURL string
	// Log is what the function wrote.
	Log *Log
	// DynamoDB is a client of where the ledger is, and Ledger the function's memory,
	// to read in.
	DynamoDB *dynamodb.Client
	Ledger   *ledger.Ledger
	Lists    ledger.Lists

	deployed  lambdaenv.Options // what Function was started with
	buses     *awssim.Server    // of EventBridge, which no emulator stands in for
	actions   *awssim.Actions
	simulated *simulatedDynamo // nil where DynamoDB is an emulator's
	secrets   *secretsmanager.Client
	secretID  string
	table     string
	events    string // the endpoint of EventBridge
	closers   []func()
}

// Start starts everything. Close it.
func Start(ctx context.Context, o Options) (s *Stack, err error) {
	s = &Stack{Log: newLog(o.Logs, o.LogBytes), secretID: SecretID}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	adobe, err := s.startAdobe(o)
	if err != nil {
		return nil, err
	}
	if err := s.startAWS(ctx, o); err != nil {
		return nil, err
	}
	env := slices.Concat([]string{
		"AWS_ACCESS_KEY_ID=" + functionKey, "AWS_SECRET_ACCESS_KEY=local", "LOG_LEVEL=debug",
		"SECRET_ID=" + s.secretID, "QUEUE_URL=" + s.RequestQueueURL, "DEAD_LETTER_QUEUE_URL=" + s.DeadLetterQueueURL,
		"AWS_ENDPOINT_URL_SQS=" + aws.ToString(s.SQS.Options().BaseEndpoint),
		"LEDGER_TABLE=" + s.table, "AWS_ENDPOINT_URL_DYNAMODB=" + aws.ToString(s.DynamoDB.Options().BaseEndpoint),
		"AWS_ENDPOINT_URL_EVENTBRIDGE=" + s.events,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + aws.ToString(s.secrets.Options().BaseEndpoint),
		"FAULT_INTERVAL=0s", // the clock of SQS is moved, the function's is not
	}, adobe, o.Env) // of two values of one variable the last one counts
	options := lambdaenv.Options{Binary: o.Binary, Env: env, Timeout: o.Timeout, Logs: s.Log}
	s.deployed = options
	if o.RIE != "" {
		rie, err := lambdaenv.StartRIE(ctx, o.RIE, options)
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, rie.Close)
		s.Function = logged{rie, s.Log}
		return s, serveLambda(s)
	}
	function, err := lambdaenv.Start(options)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, function.Close)
	s.Function = logged{function, s.Log}
	return s, serveLambda(s)
}

// With does something with a function that has further variables, "NAME=value", in place of
// Function, as between two deployments. Everything else stays as it is.
func (s *Stack) With(env []string, do func() error) error {
	options := s.deployed
	options.Env = slices.Concat(options.Env, env) // of two values of one variable the last one counts
	function, err := lambdaenv.Start(options)
	if err != nil {
		return err
	}
	defer function.Close()
	before := s.Function
	defer func() { s.Function = before }()
	s.Function = logged{function, s.Log}
	return do()
}

// Variables are the environment of the function of a stack, "NAME=value".
func Variables(s *Stack) []string { return slices.Clone(s.deployed.Env) }

// functionKey is the access key of the function. The stack's own clients have another.
const functionKey = "function"

// Actions are those of IAM that the function of a stack has used so far, on what is simulated. The
// resources have their names in the template.
func Actions(s *Stack) []awssim.Action {
	last := func(url string) string { return url[strings.LastIndex(url, "/")+1:] }
	names := map[string]string{
		last(s.RequestQueueURL): "RequestQueue", last(s.DeadLetterQueueURL): "DeadLetterQueue",
		s.table: "Ledger",
	}
	for _, variable := range s.deployed.Env {
		name, value, _ := strings.Cut(variable, "=")
		for part := range strings.SplitSeq(value, ",") {
			switch name {
			case config.SecretID:
				names[part] = "SecretArns"
			case config.NoticeBus:
				names[part] = "NoticeBus"
			}
		}
	}
	var all []awssim.Action
	for _, a := range s.actions.Of(functionKey) {
		resource, index, indexed := strings.Cut(a.Resource, "/index/")
		a.Resource = cmp.Or(names[resource], resource)
		if indexed {
			a.Resource += "/index/" + index
		}
		all = append(all, a)
	}
	return all
}

// Close stops everything that Start started.
func (s *Stack) Close() {
	for _, stop := range slices.Backward(s.closers) {
		stop()
	}
	s.closers = nil
}
