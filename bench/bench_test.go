// Package bench measures what the function costs: start-up, a retry, and memory.
// The machine decides the absolute figures; compare those of one run, as
// docs/performance.md does.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// runtimeAPI tells when a process has asked for its first invocation, which it
// never gets.
func runtimeAPI(b *testing.B) (address string, asked <-chan struct{}) {
	b.Helper()
	next := make(chan struct{})
	base, stop, err := loopback.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		next <- struct{}{}
		<-r.Context().Done()
	}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	return strings.TrimPrefix(base, "http://"), next
}

// BenchmarkStartUp is the time from the start of the process to its first call of
// the Runtime API, for a bare function and for ours, and the memory it has then. Ours fetches
// secret, token and pauses before, from services on loopback that answer at once; "own" is
// its time until it begins to do so.
func BenchmarkStartUp(b *testing.B) {
	dir := b.TempDir()
	ours, err := lambdaenv.Build(b.Context(), "..", dir)
	if err != nil {
		b.Fatal(err)
	}
	bare := dir + "/bare"
	build := exec.CommandContext(b.Context(), "go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", bare, "./testdata/bare")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	services, err := stack.Start(b.Context(), stack.Options{Binary: ours})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(services.Close)
	for _, binary := range []struct {
		name, path string
		own        bool
	}{{"bare", bare, false}, {"own", ours, true}, {"retrigger", ours, false}} {
		b.Run(binary.name, func(b *testing.B) {
			address, asked := runtimeAPI(b)
			memory := 0
			for b.Loop() {
				cmd := exec.CommandContext(b.Context(), binary.path)
				cmd.Env = append(stack.Variables(services), "AWS_LAMBDA_RUNTIME_API="+address, "AWS_REGION=us-east-1")
				log, err := cmd.StdoutPipe()
				if err != nil {
					b.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				if binary.own {
					_, _ = log.Read(make([]byte, 1)) // "the function starts"
					b.StopTimer()
				}
				<-asked
				b.StopTimer()
				memory = max(memory, peakMemory(cmd.Process.Pid))
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				b.StartTimer()
			}
			b.ReportMetric(float64(memory)/1024, "MiB-peak") // 0 where /proc does not tell
		})
	}
}

// peakMemory returns the most memory that a process has had, in KiB.
func peakMemory(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.Fields(text)[0])
			return n
		}
	}
	return 0
}

// BenchmarkRetry is the time of an invocation with ten failed runs, all of them
// re-triggered, against services on loopback that answer at once; and how often
// it calls Adobe and AWS for each run.
func BenchmarkRetry(b *testing.B) {
	binary, err := lambdaenv.Build(b.Context(), "..", b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	s, err := stack.Start(b.Context(), stack.Options{Binary: binary})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	serial, runs := 0, 0
	batch := func() []byte {
		var event events.SQSEvent
		for range 10 {
			serial++
			id := fmt.Sprintf("run-%d", serial)
			s.AddFailedRun(id, "flow-of-"+id, stack.OrgID, stack.Sandbox)
			event.Records = append(event.Records, events.SQSMessage{
				MessageId: id, Body: string(s.Adobe.FailureEvent(id)), EventSource: "aws:sqs", EventSourceARN: awssim.QueueARN(stack.RequestQueue),
			})
		}
		payload, err := json.Marshal(event)
		if err != nil {
			b.Fatal(err)
		}
		return payload
	}
	invoke := func(payload []byte) {
		answer, err := s.Function.Invoke(context.WithoutCancel(b.Context()), payload)
		if err != nil || string(answer.Payload) != `{"batchItemFailures":[]}` {
			b.Fatalf("%s, %v", answer.Payload, err)
		}
	}
	invoke(batch()) // the cold start, with secret and token
	calls, ledger := len(s.Adobe.Calls()), 0
	for b.Loop() {
		b.StopTimer()
		payload := batch()
		if err := s.EmptyLedger(context.WithoutCancel(b.Context())); err != nil {
			b.Fatal(err)
		}
		ledger -= s.LedgerCalls()
		b.StartTimer()
		invoke(payload)
		ledger += s.LedgerCalls()
		runs += 10
	}
	b.ReportMetric(float64(len(s.Adobe.Calls())-calls)/float64(runs), "adobe-calls/run")
	b.ReportMetric(float64(ledger)/float64(runs), "ledger-calls/run")
	b.ReportMetric(float64(s.AWS.Count("GetSecretValue"))/float64(runs+10), "secret-calls/run")
	if n := s.Adobe.Count(flowsim.OpRetrigger); n != serial {
		b.Fatalf("%d re-triggers of %d runs", n, serial)
	}
}
