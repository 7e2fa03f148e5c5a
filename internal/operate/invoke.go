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
	body, err := json.Marshal(payload)
	if err != nil {
		return answer, &Error{Kind: Failed, Message: err.Error(), Err: err}
	}
	out, err := o.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &o.Stack.Function, Payload: body})
	if err != nil {
		return answer, AWSError(err)
	}
	if out.FunctionError != nil {
		var fault struct {
			Message string `json:"errorMessage"`
		}
		if json.Unmarshal(out.Payload, &fault) != nil || fault.Message == "" {
			fault.Message = string(out.Payload)
		}
		return answer, Errorf(Failed, "the function answered with an error: %s", fault.Message)
	}
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return answer, &Error{Kind: Failed, Message: fmt.Sprintf("the function's answer can't be read: %v", err), Err: err}
	}
	return answer, nil
}
