package integration

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// bus is where a backend takes notices: the simulator's bus, or one of moto's with a rule
// that sends each to a queue.
type bus struct {
	env  []string
	sent func(s *stack.Stack) []map[string]any // the events, as a rule's target gets them
}

// newBus makes a bus on the backend.
func newBus(t *testing.T, b backend) bus {
	t.Helper()
	if !b.emulated() {
		return bus{
			env: []string{"NOTICE_BUS=" + stack.NoticeBus},
			sent: func(s *stack.Stack) (events []map[string]any) {
				for _, e := range s.Notices() {
					events = append(events, map[string]any{"detail-type": e.DetailType, "source": e.Source, "detail": object(t, e.Detail)})
				}
				return events
			},
		}
	}
	moto := b.options.SecretsEndpoint
	config := aws.Config{Region: awssim.Region, BaseEndpoint: &moto, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})}
	client, queues := eventbridge.NewFromConfig(config), sqs.NewFromConfig(config)
	name := "notices-" + strings.NewReplacer("+", "-", " ", "-").Replace(b.name)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	must(err)
	attributes, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: queue.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	must(err)
	_, err = client.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: &name})
	must(err)
	_, err = client.PutRule(t.Context(), &eventbridge.PutRuleInput{EventBusName: &name, Name: &name, EventPattern: aws.String(`{"source":["aep-retrigger"]}`)})
	must(err)
	_, err = client.PutTargets(t.Context(), &eventbridge.PutTargetsInput{
		EventBusName: &name, Rule: &name, Targets: []ebtypes.Target{{Id: aws.String("queue"), Arn: aws.String(attributes.Attributes["QueueArn"])}},
	})
	must(err)
	return bus{
		env: []string{"NOTICE_BUS=" + name, "AWS_ENDPOINT_URL_EVENTBRIDGE=" + moto},
		sent: func(*stack.Stack) (events []map[string]any) {
			out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10})
			must(err)
			for _, m := range out.Messages {
				e := object(t, *m.Body)
				delete(e, "ingestion-time")   // moto's own
				e["account"] = awssim.Account // which moto leaves out
				events = append(events, e)
			}
			return events
		},
	}
}

func object(t *testing.T, text string) (o map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestARefusedCredentialIsToldOnTheBus: once, as events/out describes it; a bus that is gone
// is one clear error, and the requests wait as ever.
func TestARefusedCredentialIsToldOnTheBus(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		to := newBus(t, b)
		s := start(t, b, env(to.env...))
		ids := failedRuns(s, 3)
		s.Adobe.RotateSecret(stack.OrgID, "another")
		deliver(t, s, request(ids[0]), request(ids[1]), request(ids[2]))
		wantOutcomes(t, s, map[string]int{"returned credentials_refused": 3})
		events := to.sent(s)
		if len(events) != 1 || events[0]["detail-type"] != "Credential Refused" || events[0]["source"] != "aep-retrigger" {
			t.Fatalf("%v", events)
		}
		compiled, err := jsonschema.NewCompiler().Compile("../events/out/credential-refused.schema.json")
		if err != nil {
			t.Fatal(err)
		}
		detail := compiled.Properties["detail"]
		if err := detail.Validate(events[0]["detail"]); err != nil {
			t.Error(err)
		}
		if b.emulated() {
			if err := compiled.Validate(events[0]); err != nil {
				t.Error(err)
			}
		}
		text, _ := json.Marshal(events)
		noSecrets(t, "the notice", string(text))
	})
}

func TestABusThatIsGoneIsOneClearErrorInTheLog(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b, func(o *stack.Options) {
			o.Env = append(o.Env, "NOTICE_BUS=gone")
			if b.emulated() {
				o.Env = append(o.Env, "AWS_ENDPOINT_URL_EVENTBRIDGE="+b.options.SecretsEndpoint)
			}
		})
		ids := failedRuns(s, 3)
		s.Adobe.RotateSecret(stack.OrgID, "another")
		deliver(t, s, request(ids[0]), request(ids[1]), request(ids[2]))
		wantOutcomes(t, s, map[string]int{"returned credentials_refused": 3})
		if n := strings.Count(s.Log.String(), `the event bus \"gone\" does not exist`); n != 1 {
			t.Errorf("the log names the bus %d times", n)
		}
	})
}
