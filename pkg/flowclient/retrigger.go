package flowclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Retriggered is the answer to a re-trigger.
type Retriggered struct {
	// RunID is the run that Flow Service made in place of the failed one.
	RunID string `json:"id"`
	// ETag is the new run's version, quoted as Adobe sends it, or empty.
	ETag string `json:"etag"`
}

// Retrigger asks Flow Service to run a failed run of a batch dataflow again,
// which makes a new run. Flow Service refuses runs of other states.
//
// The call is not repeated where it may have taken effect; see the package
// comment and [Error.MayHaveTakenEffect]. After such an error look for the new
// run ([Client.Runs]) before calling again.
//
// The request is POST /runs/{id}/action?op=re-trigger without a body, as Adobe's
// tutorial "Retry failed dataflow runs" has it, or with the other spelling of op; see
// [WithOp].
func (c *Client) Retrigger(ctx context.Context, sandbox, runID string) (Retriggered, error) {
	k := call{op: OpRetrigger, resource: runID, sandbox: sandbox, method: http.MethodPost}
	if err := checkID("run id", runID); err != nil {
		return Retriggered{}, k.refuse(err)
	}
	k.path = "/runs/" + url.PathEscape(runID) + "/action"
	spellings := c.spellings()
	made, refused, err := c.retriggerAs(ctx, k, spellings[0])
	if refused == nil || len(spellings) == 1 {
		return made, err
	}
	if failure := k.stop(c.timeForCall(ctx)); failure != nil {
		failure.Attempts = refused.Attempts
		return Retriggered{}, failure
	}
	made, again, err := c.retriggerAs(ctx, k, spellings[1])
	if failure, ok := errors.AsType[*Error](err); ok && failure.Op == OpRetrigger {
		failure.Attempts += refused.Attempts
	}
	if again != nil && tellsMore(refused, again) {
		refused.Attempts = again.Attempts
		return Retriggered{}, refused
	}
	return made, err
}

// retriggerAs re-triggers with one spelling of op. refused is the error if it is the
// spelling that Adobe may have refused.
func (c *Client) retriggerAs(ctx context.Context, k call, spelling string) (made Retriggered, refused *Error, err error) {
	k.query = url.Values{"op": {spelling}}
	k.decode = func(body []byte) error {
		if err := decodeLenient(body, &made); err != nil {
			return err
		}
		if err := checkID("new run's id", made.RunID); err != nil {
			return fmt.Errorf("it names no new run: %w", err)
		}
		return nil
	}
	k.refused = func(answer reply, failure *Error) {
		refused = nil
		if refusesSpelling(answer, failure) {
			refused = failure
		}
	}
	if err := c.do(ctx, k); err != nil {
		return Retriggered{}, refused, err
	}
	c.accepted.learn(spelling)
	return made, nil, nil
}
