package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// listener invokes the function, and keeps its answers: a command by hand or a mistake
// leaves no record of a run in the log.
type listener struct {
	lambdaenv.Invoker
	answers []lambdaenv.Response
}

// Invoke implements [lambdaenv.Invoker].
func (l *listener) Invoke(ctx context.Context, payload []byte) (lambdaenv.Response, error) {
	answer, err := l.Invoker.Invoke(ctx, payload)
	if err == nil {
		l.answers = append(l.answers, answer)
	}
	return answer, err
}

// take returns the answers since the last time.
func (l *listener) take() []lambdaenv.Response {
	answers := l.answers
	l.answers = nil
	return answers
}

// answered says in a few words what the function has answered by hand. It is empty for an
// answer without news, such as that of an empty batch.
func answered(answers []lambdaenv.Response) string {
	if len(answers) == 0 {
		return ""
	}
	last := answers[len(answers)-1]
	var said struct {
		ErrorMessage string
		Results      []stack.Record
		Pauses       *[]struct{}
		Status       *struct {
			Mode string
			Orgs []struct{ Credential string }
		}
		Connection *struct{ Accepted bool }
	}
	if err := json.Unmarshal(last.Payload, &said); err != nil {
		return ""
	}
	switch {
	case last.FunctionError != "":
		return "refused: " + said.ErrorMessage
	case len(said.Results) > 0:
		return outcomes(said.Results)
	case said.Status != nil && len(said.Status.Orgs) == 1:
		return fmt.Sprintf("mode %s, credential %s", said.Status.Mode, said.Status.Orgs[0].Credential)
	case said.Status != nil:
		return fmt.Sprintf("mode %s, %d orgs", said.Status.Mode, len(said.Status.Orgs))
	case said.Pauses != nil:
		return fmt.Sprintf("pauses in force: %d", len(*said.Pauses))
	case said.Connection != nil && said.Connection.Accepted:
		return "the source accepts the login"
	case said.Connection != nil:
		return "the source refuses the login"
	}
	return ""
}
