package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
	"github.com/aep-retrigger/aep-retrigger/local/stackfile"
)

// world is the stack of a script.
type world struct{ stack *stack.Stack }

// worldKey finds a script's world.
type worldKey struct{}

// commands are the words that scripts have besides those of testscript.
//
//	stack [NAME=VALUE…]     start a stack whose function has these variables, too
//	flow ID NAME            a dataflow; ESC in its name is an escape character
//	fails RUN FLOW [CODE TEXT]  a run of it fails, and Adobe's event of that is on the queue; ESC likewise
//	fate FLOW CODE TEXT     the next run that a re-trigger makes fails so; otherwise it succeeds
//	deliver                 the function gets what is on the queue and visible
//	settle                  runs in progress end, and events of those that fail are on the queue
//	invoke JSON             invoke the function as a person does
//	letter TEXT             AWS puts a message on the dead-letter queue by itself
//	aws CODE MESSAGE        AWS's API, which refuses every call so, or answers with OK
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"stack": startStack, "flow": addFlow, "fails": failRun, "fate": setFate, "deliver": deliver, "settle": settle,
		"invoke": invoke, "letter": addLetter, "aws": startAWS,
	}
}

func stackOf(ts *testscript.TestScript) *stack.Stack {
	w, ok := ts.Value(worldKey{}).(*world)
	if !ok || w.stack == nil {
		ts.Fatalf("the script has no stack yet")
	}
	return w.stack
}

func startStack(ts *testscript.TestScript, _ bool, args []string) {
	env := append([]string{"RETRY_DELAYS=0s,12h", "LOG_LEVEL=info"}, args...)
	s, err := stack.Start(context.Background(), stack.Options{Binary: os.Getenv(functionVariable), Env: env})
	ts.Check(err)
	ts.Defer(func() {
		if log := s.Log.String(); strings.Contains(log, flowsim.TokenPrefix) || strings.Contains(log, stack.ClientSecret) {
			ts.Logf("the log has a secret:\n%s", log)
		}
		s.Close()
	})
	w, ok := ts.Value(worldKey{}).(*world)
	if !ok {
		ts.Fatalf("the script has no world")
	}
	w.stack = s
	path := ts.MkAbs("stack.json")
	ts.Check(stackfile.Write(path, stack.Describe(s)))
	ts.Setenv("AEP_RETRIGGER_LOCAL", path)
}

func addFlow(ts *testscript.TestScript, _ bool, args []string) {
	stackOf(ts).Adobe.AddFlow(flowsim.Flow{ID: args[0], Name: strings.ReplaceAll(args[1], "ESC", "\x1b"), OrgID: stack.OrgID, Sandbox: stack.Sandbox})
}

func failRun(ts *testscript.TestScript, _ bool, args []string) {
	fault := flowsim.RunError{Code: "CONNECTOR-1001-500", Message: "Copying from the source failed"}
	if len(args) == 4 {
		fault = flowsim.RunError{Code: args[2], Message: strings.ReplaceAll(args[3], "ESC", "\x1b")}
	}
	s := stackOf(ts)
	s.Adobe.AddRun(flowsim.Run{
		ID: args[0], FlowID: args[1], Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CreatedAt: time.Now().Add(-time.Hour), CompletedAt: time.Now(),
		Errors: []flowsim.RunError{fault},
	})
	ts.Check(s.Send(context.Background(), string(s.Adobe.FailureEvent(args[0]))))
}

func setFate(ts *testscript.TestScript, _ bool, args []string) {
	stackOf(ts).Adobe.Script(args[0], flowsim.Fail(args[1], args[2]))
}

func deliver(ts *testscript.TestScript, _ bool, _ []string) {
	_, err := stackOf(ts).Drain(context.Background())
	ts.Check(err)
}

func settle(ts *testscript.TestScript, _ bool, _ []string) {
	s := stackOf(ts)
	for _, r := range s.Adobe.Settle() {
		if r.Status == flowsim.Failed {
			ts.Check(s.Send(context.Background(), string(s.Adobe.FailureEvent(r.ID))))
		}
	}
}

func invoke(ts *testscript.TestScript, _ bool, args []string) {
	answer, err := stackOf(ts).Function.Invoke(context.Background(), []byte(args[0]))
	ts.Check(err)
	ts.Logf("%s %s", answer.Payload, answer.FunctionError)
}

func addLetter(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(stackOf(ts).SendDeadLetter(context.Background(), []byte(args[0])))
}
