package config_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// statements returns those of a managed policy of the template, each as its text.
func statements(t *testing.T, policy string) []string {
	t.Helper()
	_, text, found := strings.Cut(resources(t)[policy], "        Statement:\n")
	if !found || !strings.Contains(resources(t)[policy], "Type: AWS::IAM::ManagedPolicy\n") {
		t.Fatalf("%s is no managed policy: does this test still read it?", policy)
	}
	text, _, _ = strings.Cut(text, "\n\n")
	var all []string
	for _, one := range strings.Split(text, "          - Sid: ")[1:] {
		one, _, _ = strings.Cut(one, "\n          - !If\n")
		all = append(all, strings.TrimRight(one, "\n"))
	}
	return all
}

// actions are those that statements allow.
func actions(statements []string) (all []string) {
	for _, text := range statements {
		_, list, _ := strings.Cut(text, "Action:")
		list, _, _ = strings.Cut(list, "Resource:")
		all = append(all, regexp.MustCompile(`[a-z*]+:[A-Za-z*]+`).FindAllString(list, -1)...)
	}
	return all
}

// TestPeopleMayNeitherWriteTheLedgerNorReadASecret: the two policies allow these actions and
// no others. Whatever changes something is asked of the function.
func TestPeopleMayNeitherWriteTheLedgerNorReadASecret(t *testing.T) {
	t.Parallel()
	reads := []string{
		"dynamodb:Query", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:DescribeTable", "sqs:GetQueueAttributes",
		"cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms", "logs:StartQuery", "logs:FilterLogEvents", "logs:GetQueryResults",
		"cloudformation:DescribeStacks", "cloudformation:DescribeStackResources", "lambda:GetFunctionConfiguration", "events:DescribeRule", "events:ListTargetsByRule", "sns:ListSubscriptionsByTopic",
		"kms:Decrypt", // with KmsKeyArn alone
	}
	changes := []string{"lambda:InvokeFunction", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:SendMessage", "kms:Decrypt", "kms:GenerateDataKey"}
	for policy, want := range map[string][]string{"ReaderPolicy": reads, "OperatorPolicy": slices.Concat(reads, changes)} {
		all := statements(t, policy)
		if got := actions(all); !slices.Equal(got, want) {
			t.Errorf("%s allows %q, want %q", policy, got, want)
		}
		for _, text := range all {
			anything := strings.Contains(text, `Resource: "*"`)
			if listless := strings.HasPrefix(text, "Metrics ") || strings.HasPrefix(text, "LogQueries "); anything != listless {
				t.Errorf("%s allows something on all resources, or not what knows none: %s", policy, text)
			}
			if !strings.Contains(text, "Effect: Allow\n") || strings.Contains(text, "NotAction") || strings.Contains(text, "NotResource") {
				t.Errorf("%s has a statement of another kind: %s", policy, text)
			}
		}
	}
}

// TestTheOperatorMayWhatTheReaderMay: and receives dead letters, but no requests, and sends
// requests, but no dead letters.
func TestTheOperatorMayWhatTheReaderMay(t *testing.T) {
	t.Parallel()
	reader, operator := statements(t, "ReaderPolicy"), statements(t, "OperatorPolicy")
	if len(operator) <= len(reader) || !slices.Equal(reader, operator[:len(reader)]) {
		t.Fatalf("the operator's statements do not begin with the reader's")
	}
	for _, text := range operator[len(reader):] {
		want := map[string]string{"Ask": "!GetAtt RetriggerFunction.Arn", "DeadLetters": "!GetAtt DeadLetterQueue.Arn", "SendAgain": "!GetAtt RequestQueue.Arn", "QueuesKey": "!Ref KmsKeyArn"}[strings.Fields(text)[0]]
		if want == "" || strings.Count(text, "  Resource: ") != 1 || !strings.Contains(text+"\n", "  Resource: "+want+"\n") {
			t.Errorf("the statement is on another resource than %q: %s", want, text)
		}
	}
}

// TestTheStackTellsItsVersion: AWS takes no intrinsic function in Metadata, so the version
// stands twice.
func TestTheStackTellsItsVersion(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^    SemanticVersion: (\d+\.\d+\.\d+)$`).FindSubmatch(text)
	output := regexp.MustCompile(`(?m)^  Version:\n    Description: .*\n    Value: (\S+) #.*$`).FindSubmatch(text)
	if version == nil || output == nil || string(version[1]) != string(output[1]) {
		t.Errorf("the output Version is %q, and SemanticVersion %q", output, version)
	}
}

// TestTheStackTellsWhatTheCommandNeeds: these outputs.
func TestTheStackTellsWhatTheCommandNeeds(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, outputs, _ := strings.Cut(string(text), "\nOutputs:\n")
	for _, name := range []string{
		"FunctionName", "FunctionArn", "QueueUrl", "QueueArn", "LedgerTable", "DeadLetterQueueUrl", "DeadLetterQueueArn", "NoticeBusName",
		"LogGroupName", "DashboardName", "Version", "ReaderPolicyArn", "OperatorPolicyArn", "RoleArn", "FunctionErrorsAlarmArn",
	} {
		if !strings.Contains("\n"+outputs, "\n  "+name+":\n") {
			t.Errorf("the template has no output %s", name)
		}
	}
}
