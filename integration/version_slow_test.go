//go:build slow

package integration

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/stack"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// TestVersionStandsInTheFirstLogRecordAndInEachCallToAdobeAndAWS: Everybody who reads a log,
// asks Adobe's support, looks into CloudTrail or holds a binary can name the commit that ran.
func TestVersionStandsInTheFirstLogRecordAndInEachCallToAdobeAndAWS(t *testing.T) {
	t.Parallel()
	const version = "1.2.3+0123456789ab"
	binary := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", lambdaenv.Tags, "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version="+version, "-o", binary, "./functions/retrigger")
	build.Dir, build.Env = "..", append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), binary, "--version").Output(); err != nil || string(out) != version+"\n" {
		t.Errorf("bootstrap --version says %q (error: %v), want %s", out, err, version)
	}
	s := start(t, backend{}, func(o *stack.Options) { o.Binary = binary })
	ids := failedRuns(s, 1)
	if _, err := s.Function.Invoke(t.Context(), []byte(request(ids[0]))); err != nil {
		t.Fatal(err)
	}
	var first struct{ Message, Version, Go string }
	line, _, _ := strings.Cut(s.Log.String(), "\n")
	if err := json.Unmarshal([]byte(line), &first); err != nil || first.Message != "the function starts" || first.Version != version || !strings.HasPrefix(first.Go, "go1.") {
		t.Errorf("the first log record is %s, want the start with version %s", line, version)
	}
	calls := s.Adobe.Calls()
	if len(calls) == 0 {
		t.Error("Adobe got no calls")
	}
	for _, c := range calls {
		if !strings.HasPrefix(c.UserAgent, "aep-retrigger/"+version+" ") {
			t.Errorf("%s %s came with User-Agent %q, want aep-retrigger/%s first", c.Method, c.Path, c.UserAgent, version)
		}
	}
	agents := stack.Agents(s)
	if len(agents) == 0 {
		t.Error("AWS got no calls")
	}
	for _, agent := range agents {
		if !strings.Contains(agent, " aep-retrigger/"+version+" ") {
			t.Errorf("a call to AWS came with User-Agent %q, want aep-retrigger/%s in it", agent, version)
		}
	}
}
