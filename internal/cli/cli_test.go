package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

// shell is where a person types: what goes in and what comes out.
type shell struct {
	in       string
	terminal bool
	out      io.Writer // nil keeps the output

	stdout, stderr bytes.Buffer
}

// run runs the command against a stack without any run, whose function is given.
func (s *shell) run(ctx context.Context, function operate.Lambda, args ...string) int {
	table := memory.New()
	out := s.out
	if out == nil {
		out = &s.stdout
	}
	return Run(ctx, System{
		In: strings.NewReader(s.in), Out: out, Err: &s.stderr, Terminal: s.terminal, Version: "test",
		Open: func(context.Context, operate.Target) (*operate.Operator, error) {
			return &operate.Operator{
				Stack: operate.Stack{Name: "test", Function: "retrigger"}, Table: table, Lambda: function, Now: time.Now,
				Caller: func(context.Context) (string, error) { return "arn:aws:iam::123456789012:user/ada", nil },
			}, nil
		},
	}, args)
}

// answers is a function that answers for every run that it is re-triggered.
type answers struct {
	called func(calls int)
	calls  int
}

func (a *answers) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var payload struct {
		Requests []map[string]any `json:"requests"`
	}
	if err := json.Unmarshal(in.Payload, &payload); err != nil {
		return nil, err
	}
	results := []map[string]any{}
	for _, r := range payload.Requests {
		results = append(results, map[string]any{"runId": r["runId"], "outcome": "retriggered", "newRunId": "new"})
	}
	a.calls++
	if a.called != nil {
		a.called(a.calls)
	}
	text, err := json.Marshal(map[string]any{"results": results})
	return &lambda.InvokeOutput{StatusCode: 200, Payload: text}, err
}

func manyRuns(n int) []string {
	args := []string{"retry"}
	for i := range n {
		args = append(args, "run-"+string(rune('a'+i/10))+string(rune('0'+i%10)))
	}
	return args
}

func TestCtrlCEndsAChangeAfterTheStepAndSaysWhatWasDone(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	function := &answers{called: func(calls int) {
		if calls == 2 {
			interrupt()
		}
	}}
	s := &shell{}
	code := s.run(ctx, function, append(manyRuns(35), "--yes")...)
	if code != ExitInterrupted || function.calls != 2 {
		t.Errorf("code %d after %d calls, want %d after 2", code, function.calls, ExitInterrupted)
	}
	if out := s.stdout.String(); strings.Count(out, "retriggered") != 20 || !strings.Contains(out, "15 runs not asked for: run-c0 run-c1") {
		t.Errorf("it printed:\n%s", out)
	}
}

func TestAChangeAsksAndDoesNothingWithoutAYes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		shell shell
		args  []string
		code  int
		calls int
		says  string
	}{
		"yes":              {shell{in: "y\n", terminal: true}, nil, Done, 1, "Retry 2 runs? [y/N]"},
		"YES":              {shell{in: "YES\n", terminal: true}, nil, Done, 1, "Retry 2 runs? [y/N]"},
		"no":               {shell{in: "n\n", terminal: true}, nil, ExitUsage, 0, "aep-retrigger: nothing was done"},
		"only return":      {shell{in: "\n", terminal: true}, nil, ExitUsage, 0, "aep-retrigger: nothing was done"},
		"end of the input": {shell{terminal: true}, nil, ExitUsage, 0, "aep-retrigger: nothing was done"},
		"no terminal":      {shell{in: "y\n"}, nil, ExitUsage, 0, "there is no terminal to ask on, so say --yes"},
		"--yes":            {shell{}, []string{"--yes"}, Done, 1, "run-a1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			function := &answers{}
			code := tt.shell.run(t.Context(), function, append(manyRuns(2), tt.args...)...)
			if code != tt.code || function.calls != tt.calls || !strings.Contains(tt.shell.stderr.String(), tt.says) {
				t.Errorf("code %d, %d calls, want %d and %d; it said:\n%s", code, function.calls, tt.code, tt.calls, tt.shell.stderr.String())
			}
		})
	}
}

func TestCtrlCAtTheQuestionDoesNothing(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	read, write := io.Pipe()
	defer write.Close() //nolint:errcheck // a pipe in memory
	function, s := &answers{}, &shell{terminal: true}
	asked := writer(func(p []byte) (int, error) {
		if strings.Contains(string(p), "[y/N]") {
			interrupt()
		}
		return s.stderr.Write(p)
	})
	code := Run(ctx, System{In: read, Out: &s.stdout, Err: asked, Terminal: true, Open: func(context.Context, operate.Target) (*operate.Operator, error) {
		return &operate.Operator{Table: memory.New(), Lambda: function, Now: time.Now}, nil
	}}, manyRuns(1))
	if code != ExitInterrupted || function.calls != 0 {
		t.Errorf("code %d, %d calls", code, function.calls)
	}
}

// writer is a function that takes what is written.
type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestAClosedPipeEndsTheCommandQuietly(t *testing.T) {
	t.Parallel()
	for _, err := range []error{syscall.EPIPE, syscall.ENOSPC} {
		s := &shell{out: writer(func([]byte) (int, error) { return 0, err })}
		code := s.run(t.Context(), nil, "pauses")
		if quiet := code == Done && s.stderr.Len() == 0; quiet != (err == syscall.EPIPE) { //nolint:errorlint // it is the very one
			t.Errorf("%v: code %d, %q", err, code, s.stderr.String())
		}
	}
}

func TestOutputHasNoColorsWithoutATerminal(t *testing.T) {
	t.Parallel()
	s := &shell{}
	if code := s.run(t.Context(), nil, "status", "--output", "nothing"); code != ExitUsage {
		t.Errorf("code %d", code)
	}
	var out bytes.Buffer
	c := &command{system: System{Out: &out}}
	err := c.print(nil, func(p *printer) {
		p.heading("bold")
		p.table([]string{"A", "B"}, [][]string{{"a-long-id-that-is-never-wrapped-0123456789-0123456789-0123456789-0123456789", ""}, {"東京", "x\x1b[2J"}})
		p.tree(&node{text: "root\x1b", below: []*node{{text: "leaf\n2"}}})
	})
	want := "bold\n" +
		"A                                                                            B\n" +
		"a-long-id-that-is-never-wrapped-0123456789-0123456789-0123456789-0123456789  -\n" +
		"東京                                                                         x�[2J\n" +
		"root�\n└── leaf 2\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%q, want\n%q", err, out.String(), want)
	}
}

func TestTimesAreSaidAsADistance(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for distance, want := range map[time.Duration]string{
		0: "now", 30 * time.Second: "in 30 s", -90 * time.Second: "1 min ago", -3*time.Hour - time.Minute: "3 h ago",
		47 * time.Hour: "in 47 h", -72 * time.Hour: "3 days ago",
	} {
		if got := away(now.Add(distance), now); got != want {
			t.Errorf("%s is %q, want %q", distance, got, want)
		}
	}
	if got, want := when(now.In(time.FixedZone("", 3600)), now.Add(time.Hour)), "2026-11-26 12:00:00 UTC, 1 h ago"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := when(time.Time{}, now); got != "" {
		t.Errorf("no time is %q", got)
	}
}

// TestADecisionSaysWhoMadeItAndWhatAdobeSaid in a tree of one run.
func TestADecisionSaysWhoMadeItAndWhatAdobeSaid(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	c := &command{system: System{Out: &out}}
	err := c.print(nil, func(p *printer) {
		for _, root := range lineageTree([]operate.ExplainedRun{{
			Run: operate.Run{RunID: "run-1", ErrorCode: "C-1"}, Depth: 3,
			Decisions: []operate.Decision{{
				At: now.Add(-time.Minute), Outcome: string(ledger.Returned), Reason: "throttled", Why: "Adobe answered 429", Rule: 20, RuleText: operate.RuleText(20),
				HTTPStatus: 429, Code: "429050", AdobeRequestID: "r-1", By: "arn:aws:iam::1:user/ada", Given: "hurry\x1b",
			}},
		}}, now) {
			p.tree(root)
		}
	})
	want := "run run-1 failed: C-1\n" +
		"└── 2026-11-26 11:59:00 UTC, 1 min ago  returned (throttled): Adobe answered 429\n" +
		"    ├── rule 20: faults are counted, receives are not\n" +
		"    ├── Adobe said: HTTP 429, code 429050, request id r-1\n" +
		"    └── asked for by arn:aws:iam::1:user/ada: hurry�\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s, want\n%s", err, out.String(), want)
	}
}
