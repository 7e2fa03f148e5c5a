package program_test

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/program"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
	"github.com/aep-retrigger/aep-retrigger/local/stackfile"
)

// root is the repository's: the programs are started there.
const root = "../.."

// build builds a program of local/. It is go run that does it, which keeps linked programs in
// Go's build cache, and cp that is run with the program: so only the first build links it.
func build(t *testing.T, name string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", "run", "-exec", "cp", "./local/"+name, binary)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// started is a program that runs.
type started struct {
	cmd       *exec.Cmd
	out       *bufio.Reader
	pipe      io.Closer
	stderr    bytes.Buffer
	temporary string // its TMPDIR
}

// start starts a program with further variables, "NAME=value".
func start(t *testing.T, binary string, env ...string) *started {
	t.Helper()
	s := &started{cmd: exec.CommandContext(t.Context(), binary), temporary: t.TempDir()}
	s.cmd.Dir, s.cmd.Stderr = root, &s.stderr
	s.cmd.Env = append(os.Environ(), append([]string{"TMPDIR=" + s.temporary}, env...)...)
	pipe, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.out, s.pipe = bufio.NewReader(pipe), pipe
	return s
}

// until reads lines until one has the text, and returns all of them.
func (s *started) until(t *testing.T, text string) (lines []string) {
	t.Helper()
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("%q did not come, %v: %q, %s", text, err, lines, s.stderr.String())
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
		if strings.Contains(line, text) {
			return lines
		}
	}
}

// rest reads to the end, and returns what was read and the exit code.
func (s *started) rest() (text string, code int) {
	all, _ := io.ReadAll(s.out) // of a pipe that was closed nothing is read
	_ = s.cmd.Wait()            // the code says it
	return string(all), s.cmd.ProcessState.ExitCode()
}

// leftNothing fails the test if the program has left a file or a process behind.
func (s *started) leftNothing(t *testing.T) {
	t.Helper()
	files, err := os.ReadDir(s.temporary)
	if err != nil || len(files) > 0 {
		t.Errorf("left in its folder of temporary files: %v, %v", files, err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline") // none where there is no /proc
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range processes {
		if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte(s.temporary)) {
			t.Errorf("a process is left: %q", line)
		}
	}
}

func TestFirstLineComesBeforeAnythingIsBuilt(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"run", "up"} {
		s := start(t, build(t, name), "PATH=/nowhere", stackfile.Variable+"="+filepath.Join(t.TempDir(), "stack.json"))
		if first := s.until(t, "\n"); len(first) != 1 || !strings.HasPrefix(first[0], "Building") {
			t.Errorf("%s: %q", name, first)
		}
		if _, code := s.rest(); code != program.Failed || !strings.Contains(s.stderr.String(), name+": build the function") {
			t.Errorf("%s: exit code %d, %q", name, code, s.stderr.String())
		}
		cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-n", name)
		cmd.Dir = root
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") }) // of a make around this test
		recipe, err := cmd.Output()
		if err != nil || !strings.HasPrefix(string(recipe), "echo") {
			t.Errorf("make %s begins with %.80q, %v", name, recipe, err)
		}
	}
}

func TestRunsOfARealOrgAreToldInAdobesWords(t *testing.T) {
	t.Parallel()
	const org, secret = "ABCDEF0123456789@AdobeOrg", "a-secret"
	adobe := flowsim.New(flowsim.Options{})
	base, stop, err := adobe.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	adobe.AddOrg(flowsim.Org{ID: org, ClientID: "client", Secrets: []string{secret}, Scopes: strings.Split(stack.Scopes, ","), Sandboxes: []string{"dev"}})
	adobe.AddFlow(flowsim.Flow{ID: "a-flow", Name: "Orders", OrgID: org, Sandbox: "dev"})
	const failed, absent = "57ee05cd-e009-42c7-bebf-f20686734721", "67ee05cd-e009-42c7-bebf-f20686734722"
	adobe.AddRun(flowsim.Run{ID: failed, FlowID: "a-flow", Status: flowsim.Failed, CompletedAt: time.Now(), Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500", Message: "The source is closed today"}}})
	binary := build(t, "run")
	env := []string{
		"AEP_CLIENT_ID=client", "AEP_CLIENT_SECRET=" + secret, "AEP_ORG_ID=" + org, "AEP_SANDBOX=dev",
		"FLOW_SERVICE_URL=" + base + flowsim.FlowServicePath, "IMS_URL=" + base,
	}
	s := start(t, binary, append(env, "RUNS="+failed+" "+absent)...)
	said, code := s.rest()
	for _, want := range []string{org, "1/2 ✓ " + failed, "new run ", "dataflow “Orders”, failed with CONNECTOR-1001-500 The source is closed today", "2/2 ✗ " + absent, "run_not_found", "Re-triggered 1 of 2 runs"} {
		if !strings.Contains(strings.Join(strings.Fields(said), " "), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if strings.Contains(said, "(simulated)") || strings.Contains(said, stack.OrgID) || strings.Contains(said+s.stderr.String(), secret) {
		t.Error("it speaks of the simulator, or has the secret in it")
	}
	for line := range strings.Lines(said) {
		if utf8.RuneCountInString(line) > 81 {
			t.Errorf("longer than 80 columns: %s", line)
		}
	}
	if code != program.Failed || !strings.Contains(s.stderr.String(), "1 of 2 runs were not re-triggered") || t.Failed() {
		t.Errorf("exit code %d\n%s\n%s", code, said, s.stderr.String())
	}
	s.leftNothing(t)
	s = start(t, binary, env...)
	if said, code := s.rest(); code != program.Failed || !strings.Contains(s.stderr.String(), `RUNS="<run id>`) {
		t.Errorf("without RUNS: exit code %d, %s%s", code, said, s.stderr.String())
	}
}
