package lambdaenv

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// Limits of a payload in bytes:
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. Lambda raised the
// asynchronous one from 256 KiB in October 2025.
const (
	maxPayload      = 6 << 20      // of a synchronous invocation
	maxAsyncPayload = 1 << 20      // of an asynchronous one
	maxAnswer       = 6<<20 + 100  // of an answer
	latest          = "$LATEST"    // the only version there is
	invokePath      = "2015-03-31" // the API's version, which begins its paths
)

// API serves Lambda's Invoke operation for one function, so that an AWS SDK can invoke it:
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html. It is an [http.Handler] and
// refuses what Lambda refuses, with Lambda's errors. It knows no version but $LATEST, no
// alias, and of X-Amz-Log-Type only None.
type API struct {
	invoker   Invoker
	onFailure func(ctx context.Context, envelope []byte) error
	end       context.CancelFunc
	ctx       context.Context //nolint:containedctx // an invocation outlives the call that began it

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// NewAPI returns the API of a function. An asynchronous event that fails each of its
// deliveries goes to onFailure, in the envelope of an on-failure destination. Close it.
func NewAPI(invoker Invoker, onFailure func(ctx context.Context, envelope []byte) error) *API {
	ctx, end := context.WithCancel(context.Background())
	return &API{invoker: invoker, onFailure: onFailure, ctx: ctx, end: end}
}

// Listen serves on a free loopback port until stop is called, which closes the API, too.
func (a *API) Listen() (baseURL string, stop func(), err error) {
	baseURL, end, err := loopback.Serve(a)
	return baseURL, func() {
		a.Close()
		end()
	}, err
}

// Close ends the invocations under way and waits for them.
func (a *API) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.end()
	a.running.Wait()
}

// begin counts an invocation, unless the API is closed.
func (a *API) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.running.Add(1)
	}
	return !a.closed
}

// apiError is an error as Lambda's API answers it.
type apiError struct {
	status        int
	code, message string
}

// ServeHTTP answers one call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-Requestid", requestID())
	if refused := a.serve(w, r); refused != nil {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", refused.code)
		w.WriteHeader(refused.status)
		kind := "User"
		if refused.status >= http.StatusInternalServerError {
			kind = "Server"
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"Type": kind, "Message": refused.message})
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) *apiError {
	name, is := strings.CutPrefix(r.URL.Path, "/"+invokePath+"/functions/")
	name, ends := strings.CutSuffix(name, "/invocations")
	switch {
	case !is || !ends || name == "" || strings.Contains(name, "/") || r.Method != http.MethodPost:
		return &apiError{http.StatusNotFound, "UnknownOperationException", "this simulator serves Invoke alone, not " + r.Method + " " + r.URL.Path}
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		return &apiError{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	}
	if refused := known(name, r.URL.Query().Get("Qualifier")); refused != nil {
		return refused
	}
	kind := cmp.Or(r.Header.Get("X-Amz-Invocation-Type"), "RequestResponse")
	most := int64(maxPayload)
	switch kind {
	case "RequestResponse", "DryRun":
	case "Event":
		most = maxAsyncPayload
	default:
		return invalid("Value '%s' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]", kind)
	}
	if logs := cmp.Or(r.Header.Get("X-Amz-Log-Type"), "None"); logs != "None" {
		return invalid("this simulator returns no logs: X-Amz-Log-Type is %q, want None", logs)
	}
	payload, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	switch {
	case err != nil:
		return &apiError{http.StatusBadRequest, "InvalidRequestContentException", "the body can't be read: " + err.Error()}
	case int64(len(payload)) > most:
		return &apiError{http.StatusRequestEntityTooLarge, "RequestTooLargeException", fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", most)}
	case len(payload) == 0:
		payload = []byte("{}") // what Lambda hands over without a payload
	case !json.Valid(payload):
		return &apiError{http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json: " + json.Unmarshal(payload, new(any)).Error()}
	}
	return a.invoke(w, kind, payload)
}

// known refuses a function that is not this one. A name is that of the function, its ARN, or
// the part of the ARN from the account on, each with a version or without.
func known(name, qualifier string) *apiError {
	full := name
	switch strings.Count(name, ":") {
	case 0, 1:
		full = strings.TrimSuffix(FunctionARN, FunctionName) + name
	case 2, 3: // 123456789012:function:NAME
		full = "arn:aws:lambda:us-east-1:" + name
	}
	version := strings.TrimPrefix(full, FunctionARN)
	if version != "" && version != ":"+latest || qualifier != "" && qualifier != latest {
		if qualifier != "" {
			full += ":" + qualifier
		}
		return &apiError{http.StatusNotFound, "ResourceNotFoundException", "Function not found: " + full}
	}
	return nil
}

func invalid(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "InvalidParameterValueException", fmt.Sprintf(format, args...)}
}

// invoke invokes the function. As on Lambda the invocation goes on though its caller hangs
// up; only Close ends it.
func (a *API) invoke(w http.ResponseWriter, kind string, payload []byte) *apiError {
	w.Header().Set("X-Amz-Executed-Version", latest)
	if kind == "DryRun" {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if !a.begin() {
		return &apiError{http.StatusServiceUnavailable, "ServiceException", "the simulator ends"}
	}
	if kind == "Event" {
		go func() {
			defer a.running.Done()
			// Whoever sent the event does not hear of its failure, as on Lambda.
			_ = InvokeAsync(a.ctx, a.invoker, payload, func(envelope []byte) error { return a.onFailure(a.ctx, envelope) })
		}()
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	defer a.running.Done()
	answer, err := a.invoker.Invoke(a.ctx, payload)
	switch {
	case err != nil:
		return &apiError{http.StatusBadGateway, "ServiceException", "the invocation did not take place: " + err.Error()}
	case len(answer.Payload) > maxAnswer:
		answer = failure("Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxAnswer))
	}
	w.Header().Set("Content-Type", "application/json")
	if answer.FunctionError != "" {
		w.Header().Set("X-Amz-Function-Error", answer.FunctionError)
	}
	_, _ = w.Write(answer.Payload)
	return nil
}
