package lambdaenv

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Lambda's recursion detection: the AWS SDK passes an invocation's trace header on
// with what the function sends, SQS keeps it with the message, and Lambda counts in
// it how often its function was invoked in the chain:
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html.

// maxChain is how many invocations a chain may have. Lambda says approximately 16.
const maxChain = 16

// TraceHeader is the header of a call, and the variable's content, that carries the
// trace.
const TraceHeader = "X-Amzn-Trace-Id"

const (
	traceAttribute = "AWSTraceHeader"
	lineage        = ";Lineage=" + FunctionName + ":"
	newTrace       = "Root=1-00000000-000000000000000000000000"
)

// RecursionError means that Lambda would not invoke the function.
type RecursionError struct{ Chain int }

// Error says how long the chain is.
func (e *RecursionError) Error() string {
	return fmt.Sprintf("recursion detected: the function would be invoked for the %dth time in a chain of its own messages", e.Chain)
}

type traceKey struct{}

// Trace is the trace header of the invocation that a context is for.
func Trace(ctx context.Context) string {
	if trace, ok := ctx.Value(traceKey{}).(string); ok {
		return trace
	}
	return newTrace + lineage + "1"
}

// Chain is how often the function was invoked in the chain that the invocation of the
// context ends, this time included.
func Chain(ctx context.Context) int {
	_, count, _ := strings.Cut(Trace(ctx), lineage)
	chain, _ := strconv.Atoi(count) // it is a number that this package wrote
	return chain
}

// invocationOf returns the context of the invocation that a batch brings about. Which
// message of a batch counts is not documented; here it is the first. So what is sent
// for one message goes on with the chain of another.
func invocationOf(ctx context.Context, batch []types.Message) context.Context {
	_, count, _ := strings.Cut(batch[0].Attributes[traceAttribute], lineage)
	chain, _ := strconv.Atoi(count) // 0 for a message of somebody else
	return context.WithValue(ctx, traceKey{}, newTrace+lineage+strconv.Itoa(chain+1))
}
