package world

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// timeout is an invocation's, as in template.yaml.
const timeout = time.Minute

// runtimeAPI is Lambda's Runtime API for one process
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
type runtimeAPI struct {
	asked   chan time.Time // when the process asked for an invocation
	payload chan []byte
	answers chan answered
	// first is called when the process asks for the first time, before it is told anything.
	first func() error

	serial int // of one process, which asks for one invocation at a time
}

// answered is what a process answered, and when.
type answered struct {
	payload []byte
	fault   bool
	at      time.Time
}

func newRuntimeAPI(first func() error) *runtimeAPI {
	return &runtimeAPI{asked: make(chan time.Time, 1), payload: make(chan []byte), answers: make(chan answered, 1), first: first}
}

// ServeHTTP answers one call of the process.
func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", a.next)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", a.answer)
	mux.HandleFunc("POST "+base+"invocation/{id}/error", a.answer)
	mux.HandleFunc("POST "+base+"init/error", a.answer)
	mux.ServeHTTP(w, r)
}

func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	if a.serial == 0 {
		if err := a.first(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	a.serial++
	a.asked <- now
	select {
	case <-r.Context().Done():
	case payload := <-a.payload:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprintf("8476a536-e9f4-11e8-9739-%012d", a.serial))
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(timeout).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", lambdaenv.FunctionARN)
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0")
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(payload)
	}
}

func (a *runtimeAPI) answer(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	now := time.Now()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.answers <- answered{payload, r.URL.Path[len(r.URL.Path)-len("error"):] == "error", now}
	w.WriteHeader(http.StatusAccepted)
}
