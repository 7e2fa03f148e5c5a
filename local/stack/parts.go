package stack

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/truora/minidyn/server"

	"github.com/aep-retrigger/aep-retrigger/internal/keepalive"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

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
	config := aws.Config{Region: awssim.Region, APIOptions: keepalive.Options(), Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
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
	s.actions = s.buses.Actions
	s.buses.EventBuses.Add(NoticeBus)
	return nil
}

func (s *Stack) addQueues(ctx context.Context, o Options) error {
	if o.SQSEndpoint == "" {
		s.DeadLetterQueueURL = s.AWS.AddQueue(awssim.Queue{Name: DeadLetterQueue, VisibilityTimeout: 30 * time.Second, MaximumMessageSize: sqstext.MaxMessage, Retention: o.Retention})
		s.RequestQueueURL = s.AWS.AddQueue(awssim.Queue{
			Name: RequestQueue, VisibilityTimeout: VisibilityTimeout, DeadLetterQueue: DeadLetterQueue, MaxReceives: MaxReceives,
			MaximumMessageSize: sqstext.MaxRequest, Retention: o.Retention,
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
		s.simulated = &simulatedDynamo{Server: server.NewServer(), actions: s.actions, latency: o.LedgerLatency}
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
