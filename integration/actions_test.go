package integration

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

// usedActions are those of IAM that the function has used in all tests, as
// "sqs:SendMessage RequestQueue".
type usedActions struct {
	mu  sync.Mutex
	all map[string]bool
}

func (u *usedActions) add(actions []awssim.Action) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.all == nil {
		u.all = map[string]bool{}
	}
	for _, a := range actions {
		u.all[a.Name+" "+a.Resource] = true
	}
}

// byOthers are what the role must allow though the function does not call it, with who does.
func byOthers() map[string]string {
	return map[string]string{
		"kms:Decrypt SecretKmsKeyArns":        "Secrets Manager decrypts in the name of its caller",
		"logs:CreateLogStream LogGroup":       "Lambda writes the log",
		"logs:PutLogEvents LogGroup":          "Lambda writes the log",
		"sqs:ReceiveMessage RequestQueue":     "Lambda polls the queue",
		"sqs:DeleteMessage RequestQueue":      "Lambda deletes what was answered",
		"sqs:GetQueueAttributes RequestQueue": "Lambda looks how long the queue is",
		"kms:Decrypt KmsKeyArn":               "SQS and DynamoDB decrypt in the name of their caller",
		"kms:GenerateDataKey KmsKeyArn":       "SQS encrypts in the name of its caller",
		"ec2:CreateNetworkInterface *":        "Lambda makes the network interfaces in the VPC",
		"ec2:DescribeNetworkInterfaces *":     "Lambda makes the network interfaces in the VPC",
		"ec2:DescribeSubnets *":               "Lambda makes the network interfaces in the VPC",
		"ec2:DeleteNetworkInterface *":        "Lambda deletes the network interfaces in the VPC",
		"ec2:AssignPrivateIpAddresses *":      "Lambda gives the network interfaces addresses",
		"ec2:UnassignPrivateIpAddresses *":    "Lambda takes the addresses of network interfaces back",
	}
}

// equalThePolicies compares what was used with what template.yaml allows to the function's
// role: neither may have more. It is for the whole suite: a part of it uses a part.
func (u *usedActions) equalThePolicies() error {
	allowed, err := allowedActions()
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	used := maps.Clone(u.all)
	for action := range byOthers() {
		if used[action] {
			return fmt.Errorf("the function itself uses %s: it is not only by others", action)
		}
		used[action] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(allowed)), slices.Sorted(maps.Keys(used))); diff != "" {
		return fmt.Errorf("the role in template.yaml does not allow exactly what the function uses (-allowed +used):\n%s", diff)
	}
	return nil
}

// allowedActions reads the statements of the function's role in template.yaml. A statement
// that it can't read is an error.
func allowedActions() (map[string]bool, error) {
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		return nil, err
	}
	_, role, found := strings.Cut(string(text), "\n  RetriggerRole:\n")
	role, _, ends := strings.Cut(role, "\n\n  ")
	if !found || !ends {
		return nil, errors.New("template.yaml has no RetriggerRole: does this still read it?")
	}
	if n := strings.Count(role, "PolicyName:"); n != 1 || strings.Contains(role, "ManagedPolicyArns") {
		return nil, fmt.Errorf("the role has %d policies, want the one", n)
	}
	action := regexp.MustCompile(`\b[a-z0-9-]+:[A-Za-z*]+`)
	resource := regexp.MustCompile(`!GetAtt (\w+)\.Arn|!Sub "\$\{(\w+)\.Arn\}(/index/\w+)"|!Ref (Secret\w+|KmsKeyArn)|"(\*)"`)
	allowed := map[string]bool{}
	for _, statement := range strings.Split(role, "- Sid: ")[1:] {
		name, _, _ := strings.Cut(statement, "\n")
		actions, rest, found := strings.Cut(statement, "Resource:")
		rest, _, _ = strings.Cut(rest, "Condition:")
		names, resources := action.FindAllString(actions, -1), resource.FindAllStringSubmatch(rest, -1)
		if !found || len(names) == 0 || len(resources) == 0 || !strings.Contains(statement, "Effect: Allow") {
			return nil, fmt.Errorf("can't read the statement %s of the role", name)
		}
		for _, one := range names {
			for _, match := range resources {
				allowed[one+" "+strings.Join(match[1:], "")] = true
			}
		}
	}
	return allowed, nil
}
