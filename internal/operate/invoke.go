package operate

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/aep-retrigger/aep-retrigger/internal/handler"
)

// Ask invokes the function with a payload and returns its answer. The error is an [*Error];
// where the function refuses the payload it has the function's words.
func (o *Operator) Ask(ctx context.Context, payload any) (answer handler.Answer, err error) {
	err = ask(ctx, o, payload, &answer)
	return answer, err
}

// ask invokes the function with a payload and reads its answer.
func ask(ctx context.Context, o *Operator, payload, answer any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return &Error{Kind: Failed, Message: err.Error(), Err: err}
	}
	out, err := o.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &o.Stack.Function, Payload: body})
	if err != nil {
		return AWSError(err)
	}
	if out.FunctionError != nil {
		var fault struct {
			Message string `json:"errorMessage"`
		}
		if json.Unmarshal(out.Payload, &fault) != nil || fault.Message == "" {
			fault.Message = string(out.Payload)
		}
		return Errorf(Failed, "the function answered with an error: %s", fault.Message)
	}
	if err := json.Unmarshal(out.Payload, answer); err != nil {
		return &Error{Kind: Failed, Message: fmt.Sprintf("the function's answer can't be read: %v", err), Err: err}
	}
	return nil
}
