package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"
)

// DefaultStack is the name of the stack where none is named, as in samconfig.toml.
const DefaultStack = "aep-retrigger"

// Stack names the resources of a deployment: the outputs of its CloudFormation stack.
type Stack struct {
	// Name is the stack's, Region where it is.
	Name, Region string
	// Function is the function's name, LogGroup where it writes its log.
	Function, LogGroup string
	// LedgerTable is the name of the ledger's table.
	LedgerTable string
	// RequestQueueURL and DeadLetterQueueURL are of the two queues.
	RequestQueueURL, DeadLetterQueueURL string
	// NoticeBus is the event bus of notices; empty for none.
	NoticeBus string
	// Version is the version of the template.
	Version string
	// Policies are the ARNs of the managed policies for people: the reader's and the
	// operator's. They are empty on this machine.
	ReaderPolicy, OperatorPolicy string
	// Local means that it is the stack of make up on this machine, not one on AWS.
	Local bool
}

// stackOf reads a stack from the outputs by their names in template.yaml. The error names
// outputs that must be there and are not.
func stackOf(name, region string, outputs map[string]string) (Stack, error) {
	s := Stack{
		Name: name, Region: region, Function: outputs["FunctionName"], LogGroup: outputs["LogGroupName"], LedgerTable: outputs["LedgerTable"],
		RequestQueueURL: outputs["QueueUrl"], DeadLetterQueueURL: outputs["DeadLetterQueueUrl"], NoticeBus: outputs["NoticeBusName"], Version: outputs["Version"],
		ReaderPolicy: outputs["ReaderPolicyArn"], OperatorPolicy: outputs["OperatorPolicyArn"],
	}
	var missing []string
	for _, output := range []string{"FunctionName", "LedgerTable", "QueueUrl", "DeadLetterQueueUrl"} {
		if outputs[output] == "" {
			missing = append(missing, output)
		}
	}
	if len(missing) > 0 {
		return s, Errorf(NotThere, "the stack %s lacks the outputs %s: it is not one of aep-retrigger, or is older than this command", name, strings.Join(missing, ", "))
	}
	return s, nil
}

// CloudFormation is the part of the client that finds a stack.
type CloudFormation interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
}

// find reads the outputs of a stack. The error is an [*Error].
func find(ctx context.Context, client CloudFormation, name, region string) (Stack, error) {
	found, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist") {
		return Stack{}, &Error{Kind: NotThere, Message: fmt.Sprintf("there is no stack %q in %s: name another one with --stack or --region, or use --local for that of make up", name, region), Err: err}
	}
	if err != nil {
		return Stack{}, AWSError(err)
	}
	outputs := map[string]string{}
	for _, s := range found.Stacks {
		for _, o := range s.Outputs {
			outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
		}
	}
	return stackOf(name, region, outputs)
}

// LocalFile is the file in which make up describes the stack on this machine, below the
// project's folder.
const LocalFile = ".local/stack.json"

// local is what [LocalFile] holds.
type local struct {
	Region string `json:"region"`
	// Caller is the ARN that changes are recorded with.
	Caller string `json:"caller"`
	// Endpoints are URLs by service: dynamodb, sqs and lambda.
	Endpoints map[string]string `json:"endpoints"`
	// Outputs are those of the template.
	Outputs map[string]string `json:"outputs"`
}

// readLocal reads the description of the local stack. An empty path means [LocalFile] in the current
// folder or in one above it. The error is an [*Error].
func readLocal(path string) (local, error) {
	var l local
	path, err := cmp.Or(path, upwards(LocalFile)), error(nil)
	if path == "" {
		return l, Errorf(NotThere, "no stack runs on this machine: there is no %s here or above; start one with make up", LocalFile)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the person names the file
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return l, &Error{Kind: NotThere, Message: fmt.Sprintf("no stack runs on this machine: there is no file %s; start one with make up", path), Err: err}
	case err != nil:
		return l, &Error{Kind: Wrong, Message: err.Error(), Err: err}
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, &Error{Kind: Wrong, Message: fmt.Sprintf("%s is not a description of a stack by make up: %v", path, err), Err: err}
	}
	for _, service := range []string{"dynamodb", "sqs", "lambda"} {
		if l.Endpoints[service] == "" {
			return l, Errorf(Wrong, "%s has no endpoint of %s, only of %s", path, service, strings.Join(slices.Sorted(maps.Keys(l.Endpoints)), ", "))
		}
		if !onThisMachine(l.Endpoints[service]) {
			return l, Errorf(Wrong, "%s has an endpoint of %s that is not on this machine: %s", path, service, l.Endpoints[service])
		}
	}
	return l, nil
}

// onThisMachine reports whether a URL is of loopback. The file may be one that somebody has put
// into a folder above: what a person does with --local must not reach another machine.
func onThisMachine(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host := u.Hostname()
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// upwards returns the path of a file in the current folder or the nearest one above it; "" where there is none.
func upwards(name string) string {
	folder, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return ""
		}
		folder = parent
	}
}
