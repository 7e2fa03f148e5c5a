// Package stack puts the deployed function, AWS and Adobe together on one
// machine: the binary as its own process, SQS and Secrets Manager, and Flow
// Service with IMS. It is what make run, make invoke and the integration suite
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
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/truora/minidyn/server"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
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

// Credential is that of a real org.
type Credential struct{ ClientID, ClientSecret, OrgID, Scopes, Sandbox string }

// CredentialFromEnv reads AEP_CLIENT_ID and the like. It returns nil if none is
// set, and an error if only some are.
func CredentialFromEnv(getenv func(string) string) (*Credential, error) {
	c := Credential{
		ClientID: getenv("AEP_CLIENT_ID"), ClientSecret: getenv("AEP_CLIENT_SECRET"), OrgID: getenv("AEP_ORG_ID"),
		Scopes: cmp.Or(getenv("AEP_SCOPES"), Scopes), Sandbox: getenv("AEP_SANDBOX"),
	}
	given := []string{c.ClientID, c.ClientSecret, c.OrgID, c.Sandbox}
	switch {
	case strings.Join(given, "") == "":
		return nil, nil //nolint:nilnil // none is a valid answer
	case slices.Contains(given, ""):
		return nil, errors.New("for a real org set AEP_CLIENT_ID, AEP_CLIENT_SECRET, AEP_ORG_ID and AEP_SANDBOX, all of them")
	}
	return &c, nil
}

// SettingsFromEnv reads those variables of the function's configuration that a person
// may set for a run on this machine, "NAME=value". The others are the stack's own: the
// resources, and where Adobe is.
func SettingsFromEnv(getenv func(string) string) []string {
	var env []string
	for _, name := range []string{
		config.LedgerTTL, config.RetryDelays, config.RetryPolicy, config.MaxRunAge, config.BreakerThreshold, config.BreakerCooldown,
		config.ReconcileAfter, config.ExtraSend, config.ExtraSendAfter, config.FaultInterval, config.CallsPerSecond, config.ConcurrentCalls, config.Reserved,
		config.FlowBudget, config.OrgBudget, config.BudgetWindow, config.Paused, config.Mode, config.SweepSince, config.SweepLimit, config.SweepSandboxes, config.DefaultSandbox,
		config.LogLevel, config.MaxConcurrentRuns, config.CallTimeout, config.SecretCacheTTL,
	} {
		if value := getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// adobeSettings are the variables that are taken from the environment for a real org.
func adobeSettings() []string {
	return []string{config.FlowServiceURL, config.IMSURL, config.RetriggerOp}
}

// Options choose the parts.
type Options struct {
	// Binary is the bootstrap; see [lambdaenv.Build].
	Binary string
	// Credential is that of a real org; nil simulates Adobe.
	Credential *Credential
	// SQSEndpoint, SecretsEndpoint and DynamoDBEndpoint are those of emulators;
	// empty simulates them.
	SQSEndpoint, SecretsEndpoint, DynamoDBEndpoint string
	// RIE is the path of the Runtime Interface Emulator; empty for none.
	RIE string
	// Timeout is the function's; 0 means a minute.
	Timeout time.Duration
	// Env are further variables of the function.
	Env []string
	// Logs receives what the function writes, besides Stack.Log; may be nil.
	Logs io.Writer
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
	simulated *simulatedDynamo  // nil where DynamoDB is an emulator's
	secrets   *secretsmanager.Client
	secretID  string
	table     string
	events    string // the endpoint of EventBridge
	closers   []func()
}

// Start starts everything. Close it.
func Start(ctx context.Context, o Options) (s *Stack, err error) {
	s = &Stack{Log: newLog(o.Logs), secretID: SecretID}
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
		"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "LOG_LEVEL=debug",
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

// Close stops everything that Start started.
func (s *Stack) Close() {
	for _, stop := range slices.Backward(s.closers) {
		stop()
	}
	s.closers = nil
}

func (s *Stack) startAdobe(o Options) (env []string, err error) {
	if o.Credential != nil {
		for _, name := range adobeSettings() {
			env = append(env, name+"="+os.Getenv(name))
		}
		return env, nil
	}
	s.Adobe = flowsim.New(flowsim.Options{})
	base, stop, err := s.Adobe.Listen()
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, stop)
	s.Adobe.AddOrg(flowsim.Org{
		ID: OrgID, ClientID: ClientID, Secrets: []string{ClientSecret}, Scopes: strings.Split(Scopes, ","), Sandboxes: []string{Sandbox, "dev"},
	})
	return []string{"FLOW_SERVICE_URL=" + base + flowsim.FlowServicePath, "IMS_URL=" + base, "CALLS_PER_SECOND=0"}, nil
}

func (s *Stack) startAWS(ctx context.Context, o Options) error {
	simulated := ""
	if o.SecretsEndpoint != "" {
		s.secretID += "-" + rand.Text() // an emulator serves many stacks
	}
	if o.SQSEndpoint == "" || o.SecretsEndpoint == "" {
		s.AWS = awssim.New()
		base, stop, err := s.AWS.Listen()
		if err != nil {
			return err
		}
		s.closers = append(s.closers, stop)
		simulated = base
	}
	if err := addBus(s, simulated); err != nil {
		return err
	}
	config := aws.Config{Region: awssim.Region, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})}
	s.SQS = sqs.NewFromConfig(config, func(c *sqs.Options) { c.BaseEndpoint = aws.String(cmp.Or(o.SQSEndpoint, simulated)) })
	s.secrets = secretsmanager.NewFromConfig(config, func(c *secretsmanager.Options) {
		c.BaseEndpoint = aws.String(cmp.Or(o.SecretsEndpoint, simulated))
	})
	if err := s.addQueues(ctx, o); err != nil {
		return err
	}
	if err := s.addLedger(ctx, o, config); err != nil {
		return err
	}
	credential := cmp.Or(o.Credential, &Credential{ClientID: ClientID, ClientSecret: ClientSecret, OrgID: OrgID, Scopes: Scopes, Sandbox: Sandbox})
	return s.PutSecret(ctx, *credential)
}

// addBus makes the event bus of notices. EventBridge is simulated, whatever else is not: no
// emulator tells what a bus has taken.
func addBus(s *Stack, simulated string) error {
	s.buses, s.events = s.AWS, simulated
	if s.buses == nil {
		s.buses = awssim.New()
		base, stop, err := s.buses.Listen()
		if err != nil {
			return err
		}
		s.closers, s.events = append(s.closers, stop), base
	}
	s.buses.EventBuses.Add(NoticeBus)
	return nil
}

// Notices are the events that the function has sent to its bus, where NOTICE_BUS is
// [NoticeBus]; see [Options.Env].
func (s *Stack) Notices() []awssim.Event { return s.buses.EventBuses.Sent(NoticeBus) }

func (s *Stack) addQueues(ctx context.Context, o Options) error {
	if o.SQSEndpoint == "" {
		s.DeadLetterQueueURL = s.AWS.AddQueue(awssim.Queue{Name: DeadLetterQueue, VisibilityTimeout: 30 * time.Second, MaximumMessageSize: sqstext.MaxMessage})
		s.RequestQueueURL = s.AWS.AddQueue(awssim.Queue{
			Name: RequestQueue, VisibilityTimeout: VisibilityTimeout, DeadLetterQueue: DeadLetterQueue, MaxReceives: MaxReceives,
			MaximumMessageSize: sqstext.MaxRequest,
		})
		return nil
	}
	suffix := "-" + rand.Text()
	dead, err := s.SQS.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String(DeadLetterQueue + suffix), Attributes: map[string]string{"MaximumMessageSize": strconv.Itoa(sqstext.MaxMessage)},
	})
	if err != nil {
		return fmt.Errorf("create the dead-letter queue: %w", err)
	}
	attributes, err := s.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: dead.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return fmt.Errorf("the dead-letter queue's ARN: %w", err)
	}
	requests, err := s.SQS.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(RequestQueue + suffix), Attributes: map[string]string{
		"VisibilityTimeout":  strconv.Itoa(int(VisibilityTimeout.Seconds())),
		"MaximumMessageSize": strconv.Itoa(sqstext.MaxRequest),
		"RedrivePolicy":      fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"%d"}`, attributes.Attributes["QueueArn"], MaxReceives),
	}})
	if err != nil {
		return fmt.Errorf("create the request queue: %w", err)
	}
	s.DeadLetterQueueURL, s.RequestQueueURL = *dead.QueueUrl, *requests.QueueUrl
	return nil
}

func (s *Stack) addLedger(ctx context.Context, o Options, config aws.Config) error {
	endpoint := o.DynamoDBEndpoint
	if endpoint == "" {
		s.simulated = &simulatedDynamo{Server: server.NewServer()}
		base, stop, err := loopback.Serve(s.simulated)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, stop)
		endpoint = base
	}
	s.DynamoDB = dynamodb.NewFromConfig(config, func(c *dynamodb.Options) { c.BaseEndpoint = aws.String(endpoint) })
	s.table = LedgerTable + "-" + rand.Text()
	if err := s.createLedger(ctx); err != nil {
		return err
	}
	table := dynamo.New(s.DynamoDB, s.table)
	s.Ledger, s.Lists = ledger.New(table, ledger.DefaultTTL, time.Now), ledger.Lists{Table: table}
	return nil
}

func (s *Stack) createLedger(ctx context.Context) error {
	if _, err := s.DynamoDB.CreateTable(ctx, dynamo.Schema(s.table)); err != nil {
		return fmt.Errorf("create the ledger's table: %w", err)
	}
	return nil
}

// EmptyLedger forgets everything: minidyn copies a table for each transaction on
// it, so that a large one is no measure of the function.
func (s *Stack) EmptyLedger(ctx context.Context) error {
	if _, err := s.DynamoDB.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &s.table}); err != nil {
		return fmt.Errorf("delete the ledger's table: %w", err)
	}
	return s.createLedger(ctx)
}

// PutSecret sets the secret of the org.
func (s *Stack) PutSecret(ctx context.Context, c Credential) error {
	text, err := json.Marshal(map[string]string{
		"client_id": c.ClientID, "client_secret": c.ClientSecret, "org_id": c.OrgID, "scopes": c.Scopes, "sandbox": c.Sandbox,
	})
	if err != nil {
		return err
	}
	return s.PutSecretText(ctx, string(text))
}

// PutSecretText sets the secret to any text.
func (s *Stack) PutSecretText(ctx context.Context, text string) error {
	if s.secretID == SecretID {
		s.AWS.PutSecret(s.secretID, text)
		return nil
	}
	_, err := s.secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &s.secretID, SecretString: &text})
	if err != nil {
		_, err = s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &s.secretID, SecretString: &text})
	}
	return err
}

// Send puts a message on the request queue.
func (s *Stack) Send(ctx context.Context, body string) error {
	_, err := s.SQS.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.RequestQueueURL, MessageBody: &body})
	return err
}

// SendDeadLetter puts a message on the dead-letter queue, as AWS services do by
// themselves.
func (s *Stack) SendDeadLetter(ctx context.Context, body []byte) error {
	_, err := s.SQS.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.DeadLetterQueueURL, MessageBody: aws.String(string(body))})
	return err
}

// Drain delivers the request queue's visible messages to the function until
// there are none, and returns how many were deleted.
func (s *Stack) Drain(ctx context.Context) (deleted int, err error) {
	mapping := lambdaenv.Mapping{SQS: s.SQS, QueueURL: s.RequestQueueURL, BatchSize: 10, Invoker: s.Function}
	for {
		received, done, err := mapping.Poll(ctx, 0)
		deleted += done
		if err != nil || received == 0 {
			return deleted, err
		}
	}
}

// Live sends the event of a failed run, and lets Adobe and the function go on until
// nothing more comes of it: runs end as they are scripted, failures come as
// events, messages wait in real time.
func (s *Stack) Live(ctx context.Context, runID string) error {
	if err := s.Send(ctx, string(s.Adobe.FailureEvent(runID))); err != nil {
		return err
	}
	return s.GoOn(ctx)
}

// GoOn lets Adobe and the function go on until nothing more comes of what is under
// way.
func (s *Stack) GoOn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	mapping := lambdaenv.Mapping{SQS: s.SQS, QueueURL: s.RequestQueueURL, BatchSize: 10, Invoker: s.Function}
	const longPoll, quiet = 1, 2 // seconds; polls: together longer than any wait of the function
	for idle := 0; idle < quiet; {
		received, _, err := mapping.Poll(ctx, longPoll)
		if err != nil {
			return err
		}
		idle++
		for _, r := range s.Adobe.Settle() {
			idle = 0
			if r.Status != flowsim.Failed {
				continue
			}
			if err := s.Send(ctx, string(s.Adobe.FailureEvent(r.ID))); err != nil {
				return err
			}
		}
		if received > 0 {
			idle = 0
		}
	}
	return nil
}

// DeadLetters takes all dead letters off their queue.
func (s *Stack) DeadLetters(ctx context.Context) ([]types.Message, error) {
	var all []types.Message
	for {
		out, err := s.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &s.DeadLetterQueueURL, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		})
		if err != nil || len(out.Messages) == 0 {
			return all, err
		}
		for _, m := range out.Messages {
			if _, err := s.SQS.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &s.DeadLetterQueueURL, ReceiptHandle: m.ReceiptHandle}); err != nil {
				return all, err
			}
		}
		all = append(all, out.Messages...)
	}
}

// Seed makes Adobe know each run that the payload asks to retry, as failed. Runs
// that it knows already stay as they are.
func (s *Stack) Seed(payload []byte) {
	bodies := [][]byte{payload}
	if records, isBatch, err := event.SQSRecords(payload); isBatch && err == nil {
		bodies = nil
		for _, r := range records {
			bodies = append(bodies, []byte(r.Body))
		}
	}
	known := map[string]bool{}
	for _, r := range s.Adobe.Runs() {
		known[r.ID] = true
	}
	for _, body := range bodies {
		decoded, err := event.Decode(body)
		if err != nil {
			continue // the function says so
		}
		for _, item := range decoded.Items {
			if r := item.Request; r != nil && !known[r.RunID] {
				known[r.RunID] = true
				s.AddFailedRun(r.RunID, cmp.Or(r.FlowID, "flow-of-"+r.RunID), cmp.Or(r.OrgID, OrgID), cmp.Or(r.Sandbox, Sandbox))
			}
		}
	}
}

// AddFailedRun makes Adobe know a run that began an hour ago and has just failed, and its
// dataflow.
func (s *Stack) AddFailedRun(runID, flowID, orgID, sandbox string) {
	s.Adobe.AddFlow(flowsim.Flow{ID: flowID, Name: "Flow " + flowID, OrgID: orgID, Sandbox: sandbox})
	s.Adobe.AddRun(flowsim.Run{
		ID: runID, FlowID: flowID, Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CreatedAt: time.Now().Add(-time.Hour), CompletedAt: time.Now(),
		Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500", Message: "Copying from the source failed"}},
	})
}
