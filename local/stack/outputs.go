package stack

import (
	"path"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stackfile"
)

// caller is whoever uses the stack.
const caller = "arn:aws:iam::" + awssim.Account + ":user/local"

// serveLambda serves Lambda's Invoke operation for the function that the stack was started
// with.
func serveLambda(s *Stack) (err error) {
	var stop func()
	s.LambdaURL, stop, err = lambdaenv.NewAPI(s.Function, s.SendDeadLetter).Listen()
	if err != nil {
		return err
	}
	s.closers = append(s.closers, stop)
	return nil
}

// Describe says where the stack is: with the outputs that template.yaml gives a stack on AWS, but
// for logs, dashboard and policies, which there are none of on this machine.
func Describe(s *Stack) stackfile.File {
	requests, letters := path.Base(s.RequestQueueURL), path.Base(s.DeadLetterQueueURL)
	return stackfile.File{
		Region: awssim.Region, Account: awssim.Account, Caller: caller,
		Endpoints: map[string]string{
			"dynamodb": aws.ToString(s.DynamoDB.Options().BaseEndpoint), "sqs": aws.ToString(s.SQS.Options().BaseEndpoint), "lambda": s.LambdaURL,
		},
		Outputs: map[string]string{
			"FunctionName": lambdaenv.FunctionName, "FunctionArn": lambdaenv.FunctionARN, "LedgerTable": s.table, "NoticeBusName": NoticeBus,
			"QueueUrl": s.RequestQueueURL, "QueueArn": awssim.QueueARN(requests),
			"DeadLetterQueueUrl": s.DeadLetterQueueURL, "DeadLetterQueueArn": awssim.QueueARN(letters),
			"Version": "dev", // of lambdaenv.Build
		},
	}
}
