package operate

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
)

// TestAMissingPermissionIsNamedWithThePolicyThatHasIt in template.yaml: the reader's and the
// operator's, or the operator's alone.
func TestAMissingPermissionIsNamedWithThePolicyThatHasIt(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	action := regexp.MustCompile(`\b[a-z]+:[A-Z][A-Za-z]+\b`)
	of := func(policy string) map[string]bool {
		_, body, _ := strings.Cut(string(text), "\n  "+policy+":\n    Type: AWS::IAM::ManagedPolicy\n")
		body, _, _ = strings.Cut(body, "\n\n")
		actions := map[string]bool{}
		for _, name := range action.FindAllString(body, -1) {
			if name != "kms:ViaService" { // a condition's key
				actions[name] = true
			}
		}
		return actions
	}
	reader, operator := of("ReaderPolicy"), of("OperatorPolicy")
	if len(reader) < 10 || len(operator) <= len(reader) {
		t.Fatalf("the reader has %d actions, the operator %d: does this test still find them?", len(reader), len(operator))
	}
	for name := range operator {
		want := "the stack's operator policy has it"
		if reader[name] {
			want = "the stack's reader and operator policies have it"
		}
		if got := policyWith(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name := range reader {
		if !operator[name] {
			t.Errorf("the operator lacks the reader's %s", name)
		}
	}
	for words, want := range map[string]string{"User: a is not authorized to perform: kms:Decrypt on resource: k": "kms:Decrypt", "perform: kms:GenerateDataKey on": "kms:GenerateDataKey"} {
		err := AWSError(&smithy.GenericAPIError{Code: "AccessDeniedException", Message: words})
		if !strings.Contains(err.Error(), "you lack the permission "+want+" on the key of KmsKeyArn: the stack's ") {
			t.Errorf("%s: %v", words, err)
		}
	}
	for _, tt := range [][3]string{
		{"Lambda", "Invoke", "lambda:InvokeFunction"},
		{"DynamoDB", "Query", "dynamodb:Query"},
		{"CloudWatch Logs", "StartQuery", "logs:StartQuery"},
		{"SQS", "ReceiveMessage", "sqs:ReceiveMessage"},
		{"SQS", "ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"},
		{"SQS", "SendMessageBatch", "sqs:SendMessage"},
		{"SQS", "DeleteMessageBatch", "sqs:DeleteMessage"},
		{"DynamoDB", "BatchGetItem", "dynamodb:BatchGetItem"},
		{"EventBridge", "DescribeRule", "events:DescribeRule"},
	} {
		if got := actionOf(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s %s is %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
	if got := policyWith("sts:AssumeRole"); got != "ask who manages the AWS account for it" {
		t.Errorf("an action of neither: %q", got)
	}
}
