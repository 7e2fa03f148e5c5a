// Command invoke runs one event through the deployed function on this machine
// and prints the answer, the function's log and what it left behind. AWS is
// simulated; so is Adobe, where every run that the event names has failed and a
// sweep finds two to retry, unless the environment gives the credential of a real
// org (see docs/deploy.md).
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "invoke:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("name one event: make invoke EVENT=events/request.json")
	}
	payload, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	if wrong, is := errors.AsType[*json.SyntaxError](json.Unmarshal(payload, new(any))); is {
		return fmt.Errorf("%s is not JSON, which Lambda refuses without invoking the function: %w, at byte %d", args[0], wrong, wrong.Offset)
	}
	credential, err := stack.CredentialFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "retrigger-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system cleans up what is left
	binary, err := lambdaenv.Build(ctx, ".", dir)
	if err != nil {
		return err
	}
	s, err := stack.Start(ctx, stack.Options{Binary: binary, Credential: credential, Env: stack.SettingsFromEnv(os.Getenv)})
	if err != nil {
		return err
	}
	defer s.Close()
	if s.Adobe != nil {
		s.Seed(payload)
		seedSweep(s, payload)
	}
	answer, err := s.Function.Invoke(ctx, payload)
	if err != nil {
		return err
	}
	fmt.Print("Answer:\n", indented(answer.Payload), "\n\nLog:\n")
	fmt.Print(readable(s.Log.String()))
	if s.Adobe != nil {
		fmt.Print("\nCalls to Adobe (simulated):\n")
		for _, c := range s.Adobe.Calls() {
			fmt.Printf("  %-9s %-4s %s → %d\n", c.Op, c.Method, c.Path, c.Status)
		}
	}
	letters, err := s.DeadLetters(ctx)
	if err != nil {
		return err
	}
	for _, l := range letters {
		fmt.Printf("\nDead letter (%s):\n%s\n", value(l.MessageAttributes["reason"].StringValue), indented([]byte(*l.Body)))
	}
	if waiting := s.AWS.Messages(s.RequestQueueURL); len(waiting) > 0 {
		fmt.Printf("\n%d waiting on the request queue.\n", len(waiting))
	}
	if answer.FunctionError != "" {
		return errors.New("the function failed; the answer above says why")
	}
	return sweepFault(answer.Payload)
}

// readable is the function's log, with only those of its metrics that are not 0.
func readable(log string) string {
	var text strings.Builder
	counts := map[string]int{}
	for line := range strings.Lines(log) {
		var metrics map[string]any
		if json.Unmarshal([]byte(line), &metrics) != nil || metrics["_aws"] == nil {
			text.WriteString(line)
			continue
		}
		for name, value := range metrics {
			if n, is := value.(float64); is {
				counts[name] += int(n)
			}
		}
	}
	var metrics []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] != 0 {
			metrics = append(metrics, fmt.Sprintf("%s %d", name, counts[name]))
		}
	}
	return text.String() + "\nMetrics that are not 0: " + cmp.Or(strings.Join(metrics, ", "), "none") + "\n"
}

// sweepFault is what is wrong with the sweep that an answer reports, if it reports one.
func sweepFault(payload []byte) error {
	var answer struct {
		Sweep struct {
			State, Error string
			Failures     []any
		}
	}
	if json.Unmarshal(payload, &answer) != nil {
		return nil
	}
	switch sweep := answer.Sweep; {
	case sweep.State == "refused", sweep.Error != "":
		return fmt.Errorf("the sweep is %s: %s", sweep.State, sweep.Error)
	case len(sweep.Failures) > 0:
		return fmt.Errorf("of the sweep's sandboxes %d could not be listed to the end; the answer above says why", len(sweep.Failures))
	default:
		return nil
	}
}

// seedSweep makes Adobe know runs for a sweep to look at.
func seedSweep(s *stack.Stack, payload []byte) {
	decoded, err := event.Decode(payload)
	if err != nil || decoded.Sweep == nil {
		return
	}
	flow, sandbox := "flow-of-a-sweep", stack.Sandbox
	if len(decoded.Sweep.FlowIDs) > 0 {
		flow = decoded.Sweep.FlowIDs[0]
	}
	if len(decoded.Sweep.Sandboxes) > 0 {
		sandbox = decoded.Sweep.Sandboxes[0]
	}
	s.AddFailedRun("failed-run-1", flow, stack.OrgID, sandbox)
	s.AddFailedRun("failed-run-2", flow, stack.OrgID, sandbox)
	s.Adobe.AddRun(flowsim.Run{ID: "failed-run-of-a-follower", FlowID: flow, Status: flowsim.Failed, Downstream: true})
	s.Adobe.AddRun(flowsim.Run{ID: "good-run", FlowID: flow, Status: flowsim.Success, Records: 1})
}

func indented(payload []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, payload, "", "  ") != nil {
		return string(payload)
	}
	return b.String()
}

func value(text *string) string {
	if text == nil {
		return "no reason"
	}
	return *text
}
