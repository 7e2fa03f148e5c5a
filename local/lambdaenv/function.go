// Package lambdaenv is what Lambda is to the function, on one machine: an
// execution environment around the deployed binary ([Function], or the official
// Runtime Interface Emulator with [StartRIE]), the poller of an SQS event source
// ([Mapping]), and asynchronous invocation with its retries and on-failure
// destination ([InvokeAsync]).
package lambdaenv

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// FunctionName and FunctionARN are what the function is told it is called.
const (
	FunctionName = "retrigger"
	FunctionARN  = "arn:aws:lambda:us-east-1:123456789012:function:" + FunctionName
)

// Response is the answer of an invocation.
type Response struct {
	Payload []byte
	// FunctionError is empty unless the function failed; then Payload is the error
	// as Lambda shows it.
	FunctionError string
}

// Invoker invokes the function and waits for its answer. The error means that
// the invocation did not take place.
type Invoker interface {
	Invoke(ctx context.Context, payload []byte) (Response, error)
}

// Options are the settings of an execution environment.
type Options struct {
	// Binary is the path of the bootstrap.
	Binary string
	// Env are the function's own variables, "NAME=value". Nothing is inherited.
	Env []string
	// Timeout is the function's; 0 means a minute.
	Timeout time.Duration
	// Logs receives what the function writes.
	Logs io.Writer
}

// Function runs the binary as its own process against the Lambda Runtime API
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). As on Lambda
// it handles one invocation at a time; a process that crashes or passes the
// time-out is replaced with the next invocation.
type Function struct {
	options Options
	api     string
	stop    func()
	next    chan *invocation

	invoke  sync.Mutex // held during an invocation
	process *process
	closed  bool

	mu      sync.Mutex
	current *invocation
}

type invocation struct {
	id       string
	payload  []byte
	trace    string
	deadline time.Time
	answer   chan Response
}

type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start serves the Runtime API. The process starts with the first invocation.
func Start(o Options) (*Function, error) {
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	f := &Function{options: o, next: make(chan *invocation)}
	base, stop, err := loopback.Serve(f.runtimeAPI())
	if err != nil {
		return nil, fmt.Errorf("runtime API: %w", err)
	}
	f.api, f.stop = strings.TrimPrefix(base, "http://"), stop
	return f, nil
}

// Close ends the process and the Runtime API.
func (f *Function) Close() {
	f.invoke.Lock()
	defer f.invoke.Unlock()
	f.closed = true
	f.kill()
	f.stop()
}

func (f *Function) kill() {
	if f.process != nil {
		killGroup(f.process.cmd.Process.Pid)
		<-f.process.exited
		f.process = nil
	}
}

// Variables returns the environment variables that Lambda sets for a function of 256 MB. The
// Runtime API is at the address api, such as 127.0.0.1:9001
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime).
func Variables(api string) []string {
	return []string{
		"AWS_LAMBDA_RUNTIME_API=" + api, "AWS_LAMBDA_FUNCTION_NAME=" + FunctionName, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "_HANDLER=bootstrap",
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "TZ=:UTC", "PATH=/usr/local/bin:/usr/bin:/bin",
	}
}

func (f *Function) launch() error {
	cmd := exec.Command(f.options.Binary) // it outlives the invocation that starts it
	cmd.Env = append(Variables(f.api), f.options.Env...)
	cmd.Stdout, cmd.Stderr = f.options.Logs, f.options.Logs
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the function: %w", err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is in its log
	}()
	f.process = p
	return nil
}

// Invoke implements [Invoker].
func (f *Function) Invoke(ctx context.Context, payload []byte) (Response, error) {
	f.invoke.Lock()
	defer f.invoke.Unlock()
	if f.closed {
		return Response{}, errors.New("the function is closed") // and no process is left behind
	}
	if f.process == nil {
		if err := f.launch(); err != nil {
			return Response{}, err
		}
	}
	inv := &invocation{id: requestID(), payload: payload, trace: Trace(ctx), deadline: time.Now().Add(f.options.Timeout), answer: make(chan Response, 1)}
	timeout := time.NewTimer(f.options.Timeout)
	defer timeout.Stop()
	next := f.next
	for {
		select {
		case next <- inv:
			next = nil // taken
		case answer := <-inv.answer:
			return answer, nil
		case <-f.process.exited:
			f.process = nil
			return failure("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited", inv.id)), nil
		case <-timeout.C:
			f.kill()
			return failure("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, f.options.Timeout.Seconds())), nil
		case <-ctx.Done():
			f.kill()
			return Response{}, context.Cause(ctx)
		}
	}
}

func failure(kind, message string) Response {
	payload, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message}) // strings always encode
	return Response{Payload: payload, FunctionError: "Unhandled"}
}

func requestID() string {
	t := strings.ToLower(rand.Text())
	return t[:8] + "-" + t[8:12] + "-4" + t[12:15] + "-8" + t[15:18] + "-" + t[18:26] + "0000"
}

func (f *Function) runtimeAPI() http.Handler {
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case inv := <-f.next:
			f.mu.Lock()
			f.current = inv
			f.mu.Unlock()
			h := w.Header()
			h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
			h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
			h.Set("Lambda-Runtime-Invoked-Function-Arn", FunctionARN)
			h.Set("Lambda-Runtime-Trace-Id", inv.trace)
			h.Set("Content-Type", "application/json")
			_, _ = w.Write(inv.payload)
		}
	})
	answer := func(functionError string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			payload, err := io.ReadAll(r.Body)
			f.mu.Lock()
			inv := f.current
			f.mu.Unlock()
			if err != nil || inv == nil || inv.id != r.PathValue("id") {
				http.Error(w, `{"errorType":"InvalidRequestID"}`, http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusAccepted)
			inv.answer <- Response{Payload: payload, FunctionError: functionError}
		}
	}
	mux.HandleFunc("POST "+base+"invocation/{id}/response", answer(""))
	mux.HandleFunc("POST "+base+"invocation/{id}/error", answer("Unhandled"))
	mux.HandleFunc("POST "+base+"init/error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	return mux
}

// RIE is the binary within AWS's official Runtime Interface Emulator:
// https://github.com/aws/aws-lambda-runtime-interface-emulator.
type RIE struct {
	url     string
	process *process
}

// StartRIE starts the emulator at path with the binary. Close it.
func StartRIE(ctx context.Context, path string, o Options) (*RIE, error) {
	address, err := loopback.FreeAddress()
	if err != nil {
		return nil, err
	}
	runtimeAPI, err := loopback.FreeAddress()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "--runtime-interface-emulator-address", address, "--runtime-api-address", runtimeAPI, o.Binary) // ended by Close
	cmd.Env = append([]string{
		"AWS_LAMBDA_FUNCTION_NAME=" + FunctionName, "AWS_REGION=us-east-1", "PATH=/usr/local/bin:/usr/bin:/bin",
		fmt.Sprintf("AWS_LAMBDA_FUNCTION_TIMEOUT=%d", int(cmp.Or(o.Timeout, time.Minute).Seconds())),
	}, o.Env...)
	cmd.Stdout, cmd.Stderr = o.Logs, o.Logs
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the runtime interface emulator: %w", err)
	}
	r := &RIE{url: "http://" + address + "/2015-03-31/functions/function/invocations", process: &process{cmd: cmd, exited: make(chan struct{})}}
	go func() {
		defer close(r.process.exited)
		_ = cmd.Wait()
	}()
	if err := WaitForPort(ctx, address, r.process.exited); err != nil {
		r.Close()
		return nil, fmt.Errorf("runtime interface emulator: %w", err)
	}
	return r, nil
}

// Close ends the emulator and the function in it.
func (r *RIE) Close() {
	killGroup(r.process.cmd.Process.Pid)
	<-r.process.exited
}

// Invoke implements [Invoker]. The emulator answers an error of the function as
// a payload with an errorType, and a time-out in plain text.
func (r *RIE) Invoke(ctx context.Context, payload []byte) (Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(string(payload)))
	if err != nil {
		return Response{}, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return Response{}, fmt.Errorf("runtime interface emulator: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return Response{}, fmt.Errorf("runtime interface emulator: %w", err)
	}
	if !json.Valid(body) {
		return failure("Emulator.NoAnswer", string(body)), nil
	}
	var fault struct {
		ErrorType string `json:"errorType"`
	}
	if json.Unmarshal(body, &fault) == nil && fault.ErrorType != "" || answer.StatusCode != http.StatusOK {
		return Response{Payload: body, FunctionError: "Unhandled"}, nil
	}
	return Response{Payload: body}, nil
}

// WaitForPort waits until something listens at the address, or until the context
// or the process that should listen there ends.
func WaitForPort(ctx context.Context, address string, exited <-chan struct{}) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return connection.Close()
		}
		select {
		case <-ticker.C:
		case <-exited:
			return errors.New("the process ended before it listened at " + address)
		case <-ctx.Done():
			return fmt.Errorf("nothing listens at %s: %w", address, context.Cause(ctx))
		}
	}
}

// buildGrace is how long a build that is ended may clean up.
const buildGrace = 5 * time.Second

// Tags are the build tags of the deployment (.ci/build).
const Tags = "lambda.norpc,nethttpomithttp2"

// Build compiles the function for this machine, with the flags of the deployment
// (.ci/build), into the directory dir, and returns the path of the bootstrap.
// Root is the root of the module. The version is "dev".
func Build(ctx context.Context, root, dir string) (string, error) {
	binary := dir + "/bootstrap"
	if err := BuildProgram(ctx, root, "functions/retrigger", binary); err != nil {
		return "", fmt.Errorf("build the function: %w", err)
	}
	return binary, nil
}

// BuildProgram compiles a program of the module as [Build] does the function. Of is the
// program's folder below the root, such as "functions/retrigger". The error has
// what the compiler says.
func BuildProgram(ctx context.Context, root, of, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", Tags, "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", binary, "./"+of)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // go deletes its temporary folder
	cmd.WaitDelay = buildGrace
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

var (
	_ Invoker = (*Function)(nil)
	_ Invoker = (*RIE)(nil)
)
