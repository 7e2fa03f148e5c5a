// Command invoke runs one event, of a file or of standard input, through the deployed
// function on this machine and prints the answer, the function's log and what became of each
// message. AWS is
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
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/program"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

func main() {
	os.Exit(program.Run("invoke", func(ctx context.Context, p program.Program) error { return run(ctx, p, os.Args[1:], os.Stdin) }))
}

func run(ctx context.Context, p program.Program, args []string, stdin io.Reader) error {
	payload, err := read(args, stdin)
	if err != nil {
		return err
	}
	credential, err := stack.CredentialFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	binary, err := lambdaenv.Build(ctx, ".", p.Folder)
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
	payload, batch := receive(s, payload)
	answer, err := s.Function.Invoke(ctx, payload)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprint(p.Out, "Answer:\n", indented(answer.Payload), "\n\nLog:\n", readable(s.Log.String()))
	if s.Adobe != nil {
		_, _ = fmt.Fprint(p.Out, "\nCalls to Adobe (simulated):\n")
		for _, c := range s.Adobe.Calls() {
			_, _ = fmt.Fprintf(p.Out, "  %-9s %-4s %s → %d\n", c.Op, c.Method, c.Path, c.Status)
		}
	}
	fates(p.Out, s, batch, answer)
	if answer.FunctionError != "" {
		return errors.New("the function failed; the answer above says why")
	}
	return sweepFault(answer.Payload)
}

// read returns the event that the one argument names: a file, or "-" for standard input.
func read(args []string, stdin io.Reader) (payload []byte, err error) {
	if len(args) != 1 || args[0] == "" {
		return nil, errors.New("name one event: make invoke EVENT=events/request.json, or EVENT=- for standard input")
	}
	name := args[0]
	if name == "-" {
		name = "standard input"
		payload, err = io.ReadAll(stdin)
	} else {
		payload, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, err
	}
	if wrong, is := errors.AsType[*json.SyntaxError](json.Unmarshal(payload, new(any))); is {
		return nil, fmt.Errorf("%s is not JSON, which Lambda refuses without invoking the function: %s: %w", name, place(payload, wrong), wrong)
	}
	return payload, nil
}

// place names the position of a mistake as a person finds it in an editor: lines and columns
// count from 1, and a column is one character. The mistake's offset counts the bytes up to
// it, and where the text ends too early all of them.
func place(text []byte, mistake *json.SyntaxError) string {
	before := bytes.TrimSpace(text)
	if mistake.Error() != "unexpected end of JSON input" {
		before = text[:max(mistake.Offset-1, 0)]
	} else if begin := bytes.Index(text, before); begin > 0 {
		before = text[:begin+len(before)]
	}
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
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
