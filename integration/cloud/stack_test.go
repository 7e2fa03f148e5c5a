//go:build cloud

package cloud

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/cloudformation"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

const region = awssim.Region

// clients are those of moto.
type clients struct {
	stacks  *cf.Client
	queues  *sqs.Client
	tables  *dynamodb.Client
	buses   *eventbridge.Client
	lambda  *lambda.Client
	secrets *secretsmanager.Client
}

func newClients() clients {
	config := aws.Config{Region: region, BaseEndpoint: &prepared.moto, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})}
	return clients{
		cf.NewFromConfig(config), sqs.NewFromConfig(config), dynamodb.NewFromConfig(config),
		eventbridge.NewFromConfig(config), lambda.NewFromConfig(config), secretsmanager.NewFromConfig(config),
	}
}

// deployment is a stack that was made in moto.
type deployment struct {
	clients
	name string
	// bus is that of Adobe's events.
	bus string
	// made is the template that the stack was made of, and wanted are its resources with their
	// properties worked out, for the stack's parameters.
	made   templateFile
	wanted map[string]cloudformation.Resource
	// resources are the physical ids by the logical ones, of those that the parameters call for.
	resources map[string]string
	outputs   map[string]string
	adobe     *flowsim.Server
	adobeURL  string
	logs      *logs
}

// deploy makes a stack with those parameters besides the required ones. It is the test's own.
func deploy(t *testing.T, parameters map[string]string) *deployment {
	t.Helper()
	d := &deployment{clients: newClients(), name: newName(), logs: &logs{}}
	d.addAdobe(t)
	d.bus = "adobe-" + d.name
	notices := "notices-" + d.name
	for _, bus := range []string{d.bus, notices} {
		_, err := d.buses.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: &bus})
		must(t, err)
	}
	all := map[string]string{
		"SecretArns": d.addSecret(t, ""), "EventBusName": d.bus, "NoticeBusName": notices, "Architecture": samArchitectures()[runtime.GOARCH],
	}
	maps.Copy(all, parameters)
	d.made, _ = held(t)
	stack, err := d.made.with(d.name, all)
	must(t, err)
	d.wanted = stack.Resources()
	must(t, d.create(t.Context(), d.made, all))
	d.describe(t)
	return d
}

// newName is that of a stack.
func newName() string { return "cloud-" + strings.ToLower(rand.Text()[:8]) }

// create has moto make the stack of a template. See refused for what is taken out of lists.
func (d *deployment) create(ctx context.Context, of templateFile, parameters map[string]string) error {
	stack, err := of.with(d.name, parameters)
	if err != nil {
		return err
	}
	resources := map[string]resource{}
	for name, r := range of.Resources {
		r.Properties, _ = shorten(r.Properties, stack).(map[string]any)
		resources[name] = r
	}
	of.Resources = resources
	return d.createAsItIs(ctx, of, parameters)
}

func (d *deployment) createAsItIs(ctx context.Context, of templateFile, parameters map[string]string) error {
	body, err := json.Marshal(of)
	if err != nil {
		return err
	}
	in := &cf.CreateStackInput{StackName: &d.name, TemplateBody: aws.String(string(body)), Capabilities: []cftypes.Capability{cftypes.CapabilityCapabilityIam}}
	for key, value := range parameters {
		in.Parameters = append(in.Parameters, cftypes.Parameter{ParameterKey: &key, ParameterValue: &value})
	}
	_, err = d.stacks.CreateStack(ctx, in, func(o *cf.Options) { o.RetryMaxAttempts = 1 })
	return err
}

func (d *deployment) addAdobe(t *testing.T) {
	t.Helper()
	d.adobe = flowsim.New(flowsim.Options{})
	url, stop, err := d.adobe.Listen()
	must(t, err)
	t.Cleanup(stop)
	d.adobeURL = url
	d.adobe.AddOrg(flowsim.Org{ID: stack.OrgID, ClientID: stack.ClientID, Secrets: []string{stack.ClientSecret}, Scopes: strings.Split(stack.Scopes, ","), Sandboxes: []string{stack.Sandbox}})
}

func (d *deployment) addSecret(t *testing.T, suffix string) (arn string) {
	t.Helper()
	text, err := json.Marshal(map[string]string{
		"client_id": stack.ClientID, "client_secret": stack.ClientSecret, "org_id": stack.OrgID, "scopes": stack.Scopes, "sandbox": stack.Sandbox,
	})
	must(t, err)
	secret, err := d.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(stack.SecretID + "-" + d.name + suffix), SecretString: aws.String(string(text))})
	must(t, err)
	return *secret.ARN
}

// describe reads what the stack consists of.
func (d *deployment) describe(t *testing.T) {
	t.Helper()
	stacks, err := d.stacks.DescribeStacks(t.Context(), &cf.DescribeStacksInput{StackName: &d.name})
	must(t, err)
	if status := stacks.Stacks[0].StackStatus; status != cftypes.StackStatusCreateComplete {
		t.Fatalf("the stack is %s: %s", status, aws.ToString(stacks.Stacks[0].StackStatusReason))
	}
	d.outputs = map[string]string{}
	for _, o := range stacks.Stacks[0].Outputs {
		d.outputs[*o.OutputKey] = aws.ToString(o.OutputValue)
	}
	resources, err := d.stacks.DescribeStackResources(t.Context(), &cf.DescribeStackResourcesInput{StackName: &d.name})
	must(t, err)
	d.resources = map[string]string{}
	for _, r := range resources.StackResources {
		if r.LogicalResourceId == nil {
			continue // moto's way to say that the resource's condition is false
		}
		if r.ResourceStatus != cftypes.ResourceStatusCreateComplete {
			t.Errorf("%s is %s", *r.LogicalResourceId, r.ResourceStatus)
		}
		d.resources[*r.LogicalResourceId] = aws.ToString(r.PhysicalResourceId)
	}
}

// configuration is what Lambda says about the function.
type configuration struct {
	FunctionArn, FunctionName, Handler, Role, Runtime, CodeSha256 string
	Timeout, MemorySize                                           int
	Environment                                                   struct{ Variables map[string]any }
	LoggingConfig                                                 struct{ LogGroup string }
}

// configuration asks Lambda, without the SDK, which refuses moto's numbers among the
// variables. Lambda itself makes texts of them.
func (d *deployment) configuration(t *testing.T) (c configuration) {
	t.Helper()
	text, err := call(t.Context(), http.MethodGet, "lambda", "/2015-03-31/functions/"+d.outputs["FunctionName"]+"/configuration")
	must(t, err)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	must(t, decoder.Decode(&c))
	return c
}

// options are those of the function: the binary that sam build made, and the variables that
// the stack gives it. Added are only the credentials and where AWS and Adobe are.
func (d *deployment) options(t *testing.T) lambdaenv.Options {
	t.Helper()
	c := d.configuration(t)
	var env []string
	for name, value := range c.Environment.Variables {
		env = append(env, name+"="+fmt.Sprint(value))
	}
	slices.Sort(env)
	env = append(env,
		"AWS_LAMBDA_FUNCTION_NAME="+c.FunctionName, "AWS_ACCESS_KEY_ID=function", "AWS_SECRET_ACCESS_KEY=local",
		"AWS_ENDPOINT_URL_SQS="+prepared.moto, "AWS_ENDPOINT_URL_SECRETS_MANAGER="+prepared.moto, "AWS_ENDPOINT_URL_EVENTBRIDGE="+prepared.moto,
		"AWS_ENDPOINT_URL_DYNAMODB="+prepared.table, "FLOW_SERVICE_URL="+d.adobeURL+flowsim.FlowServicePath, "IMS_URL="+d.adobeURL,
	) // of two values of one variable the last one counts
	return lambdaenv.Options{Binary: prepared.binary, Env: env, Timeout: time.Duration(c.Timeout) * time.Second, Logs: d.logs}
}

// function starts the function in the simulated environment of Lambda.
func (d *deployment) function(t *testing.T) lambdaenv.Invoker {
	t.Helper()
	f, err := lambdaenv.Start(d.options(t))
	must(t, err)
	d.end(t, f.Close)
	return f
}

// rie starts the function in Lambda's Runtime Interface Emulator.
func (d *deployment) rie(t *testing.T) lambdaenv.Invoker {
	t.Helper()
	f, err := lambdaenv.StartRIE(t.Context(), prepared.tools+"/aws-lambda-rie", d.options(t))
	must(t, err)
	d.end(t, f.Close)
	return f
}

// end ends the function with the test. All that it wrote is searched for secrets and tokens.
func (d *deployment) end(t *testing.T, stop func()) {
	t.Helper()
	t.Cleanup(func() {
		stop()
		for _, secret := range []string{flowsim.TokenPrefix, stack.ClientSecret} {
			if strings.Contains(d.logs.String(), secret) {
				t.Errorf("the log contains a secret or token (%s…)", secret)
			}
		}
		if t.Failed() {
			t.Logf("the function's log:\n%s", d.logs)
		}
	})
}

// mapping polls the request queue as the stack's event source mapping says.
func (d *deployment) mapping(t *testing.T, function lambdaenv.Invoker) *lambdaenv.Mapping {
	t.Helper()
	out, err := d.lambda.GetEventSourceMapping(t.Context(), &lambda.GetEventSourceMappingInput{UUID: aws.String(d.resources["RetriggerFunctionRequests"])})
	must(t, err)
	if *out.EventSourceArn != d.outputs["QueueArn"] || *out.FunctionArn != d.outputs["FunctionArn"] || len(out.FunctionResponseTypes) != 1 {
		t.Fatalf("the event source mapping leads from %s to %s, with %v", *out.EventSourceArn, *out.FunctionArn, out.FunctionResponseTypes)
	}
	return &lambdaenv.Mapping{SQS: d.queues, QueueURL: d.outputs["QueueUrl"], BatchSize: *out.BatchSize, Invoker: function}
}

// logs is what the function wrote.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
