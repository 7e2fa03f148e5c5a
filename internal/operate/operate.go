// Package operate is what the command and the console know of a stack: it reads the ledger,
// the queues and the function's answers, and it asks the function for every change. It
// prints nothing.
//
// It never writes the ledger. That is why an [Operator] has the reading half of a table
// only; whatever changes something is an invocation of the function, which checks it and
// records who asked and why.
//
//	stack.go     which resources a stack has
//	aws.go       the clients, and what AWS's errors mean to a person
//	invoke.go    asking the function
//	errors.go    errors by what a person can do about them
package operate

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Queues is the part of the SQS client that an Operator uses.
type Queues interface {
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessage(context.Context, *sqs.DeleteMessageInput, ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
}

// Lambda is the part of the Lambda client that an Operator uses.
type Lambda interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Operator reads the state of one stack and asks its function. Make it with [Open]; tests
// fill it in themselves. It is safe for concurrent use.
type Operator struct {
	// Stack names the resources.
	Stack Stack
	// Table is the ledger's, to read in.
	Table store.Reader
	// Queues and Lambda are the clients.
	Queues Queues
	Lambda Lambda
	// Caller returns the ARN of the person who asks. It is told to the function, which
	// records it with each change.
	Caller func(context.Context) (string, error)
	// Now is the clock.
	Now func() time.Time
}

// Lists reads the ledger's lists.
func (o *Operator) Lists() ledger.Lists { return ledger.Lists{Table: o.Table} }

// Ledger reads the ledger's entries.
func (o *Operator) Ledger() *ledger.Reader { return ledger.NewReader(o.Table) }
