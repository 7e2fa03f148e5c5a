package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// startAWS starts AWS's APIs as a person meets them who may not do a thing, or whose stack is
// not there. CloudFormation knows the stack aep-retrigger alone; the actions that the
// arguments name are refused.
func startAWS(ts *testscript.TestScript, _ bool, refused []string) {
	base, stop, err := loopback.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ts.Check(r.ParseForm())
		action := actionOf(r)
		if agent := r.UserAgent(); !strings.Contains(agent, " aep-retrigger-command/dev ") {
			http.Error(w, "the call does not name the command and its version: "+agent, http.StatusBadRequest)
			return
		}
		for _, no := range refused {
			if strings.EqualFold(no, action) {
				refuse(w, action)
				return
			}
		}
		answer(w, r, action)
	}))
	ts.Check(err)
	ts.Defer(stop)
	for _, service := range []string{"CLOUDFORMATION", "DYNAMODB", "SQS", "LAMBDA", "STS"} {
		ts.Setenv("AWS_ENDPOINT_URL_"+service, base)
	}
	for name, value := range map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_MAX_ATTEMPTS": "1"} {
		ts.Setenv(name, value)
	}
}

// actionOf is the IAM action of a call.
func actionOf(r *http.Request) string {
	target := r.Header.Get("X-Amz-Target")
	switch {
	case strings.HasPrefix(target, "DynamoDB_"):
		return "dynamodb:" + target[strings.Index(target, ".")+1:]
	case strings.HasPrefix(target, "AmazonSQS."):
		return "sqs:" + target[strings.Index(target, ".")+1:]
	case strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/"):
		return "lambda:InvokeFunction"
	case r.Form.Get("Action") == "GetCallerIdentity":
		return "sts:GetCallerIdentity"
	}
	return "cloudformation:" + r.Form.Get("Action")
}

// refuse answers as AWS does where a permission is missing.
func refuse(w http.ResponseWriter, action string) {
	message := "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: " + action + " because no identity-based policy allows the action"
	switch service, _, _ := strings.Cut(action, ":"); service {
	case "cloudformation", "sts":
		w.WriteHeader(http.StatusForbidden)
		reply(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>%s</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`, message)
	case "dynamodb":
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		reply(w, `{"__type":"com.amazon.coral.service#AccessDeniedException","Message":%q}`, message)
	case "sqs":
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amzn-Query-Error", "AccessDenied;Sender")
		w.WriteHeader(http.StatusForbidden)
		reply(w, `{"__type":"com.amazonaws.sqs#AccessDeniedException","message":%q}`, message)
	default:
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		reply(w, `{"Message":%q}`, message)
	}
}

// answer answers a call as AWS does where a new stack is there, whose ledger is empty.
func answer(w http.ResponseWriter, r *http.Request, action string) {
	switch action {
	case "cloudformation:DescribeStacks":
		if name := r.Form.Get("StackName"); name != "aep-retrigger" {
			w.WriteHeader(http.StatusBadRequest)
			reply(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id %s does not exist</Message></Error><RequestId>r-2</RequestId></ErrorResponse>`, name)
			return
		}
		var outputs strings.Builder
		for _, output := range []string{"FunctionName=retrigger", "LedgerTable=ledger", "QueueUrl=https://sqs.eu-west-1.amazonaws.com/1/requests", "DeadLetterQueueUrl=https://sqs.eu-west-1.amazonaws.com/1/letters", "Version=1.2.3"} {
			key, value, _ := strings.Cut(output, "=")
			reply(&outputs, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>", key, value)
		}
		reply(w, `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>aep-retrigger</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-11-01T00:00:00Z</CreationTime><Outputs>%s</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`, outputs.String())
	case "dynamodb:Query":
		reply(w, `{"Items":[],"Count":0}`)
	case "dynamodb:BatchGetItem":
		reply(w, `{"Responses":{"ledger":[]},"UnprocessedKeys":{}}`)
	case "sqs:GetQueueAttributes":
		reply(w, `{"Attributes":{"ApproximateNumberOfMessages":"0","ApproximateNumberOfMessagesNotVisible":"0","ApproximateNumberOfMessagesDelayed":"0"}}`)
	case "sts:GetCallerIdentity":
		reply(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>u</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// reply writes an answer. Who asked may be gone.
func reply(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
