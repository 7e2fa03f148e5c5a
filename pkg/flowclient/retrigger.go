package flowclient

import (
	"context"
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
// tutorial "Retry failed dataflow runs" has it.
func (c *Client) Retrigger(ctx context.Context, sandbox, runID string) (Retriggered, error) {
	k := call{op: OpRetrigger, resource: runID, sandbox: sandbox, method: http.MethodPost}
	if err := checkID("run id", runID); err != nil {
		return Retriggered{}, k.refuse(err)
	}
	k.path = "/runs/" + url.PathEscape(runID) + "/action"
	k.query = url.Values{"op": {c.op}}
	var made Retriggered
	k.decode = func(body []byte) error {
		if err := decodeLenient(body, &made); err != nil {
			return err
		}
		if err := checkID("new run's id", made.RunID); err != nil {
			return fmt.Errorf("it names no new run: %w", err)
		}
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return Retriggered{}, err
	}
	return made, nil
}
