//go:build slow

package program_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/stackfile"
)

// person types commands against a stack that is up.
type person struct {
	t            *testing.T
	binary, file string
}

// types runs the command, which must end with one of the codes, and returns what it prints.
func (p *person) types(codes []int, args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), p.binary, append(args, "--local="+p.file)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	for _, code := range codes {
		if cmd.ProcessState.ExitCode() == code {
			return string(out)
		}
	}
	p.t.Errorf("aep-retrigger %s ends with %d:\n%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), out)
	return string(out)
}

// answers fails the test unless a text answers each question.
func (p *person) answers(text string, want ...string) {
	p.t.Helper()
	for _, w := range want {
		if !regexp.MustCompile("(?m)" + w).MatchString(text) {
			p.t.Errorf("%q is not answered:\n%s", w, text)
		}
	}
}

// TestEachDrillOfTheDocumentsCanBePracticedOnMakeUp: make up has something to practice each
// drill of docs/operate.md on, within three minutes, and the commands that the document
// names do it. A person begins with what the commands print.
func TestEachDrillOfTheDocumentsCanBePracticedOnMakeUp(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "stack.json")
	p := &person{t: t, binary: filepath.Join(t.TempDir(), "aep-retrigger"), file: file}
	compile := exec.CommandContext(t.Context(), "go", "build", "-o", p.binary, "./cmd/aep-retrigger")
	compile.Dir = root
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	up := start(t, build(t, "up"), stackfile.Variable+"="+file)
	up.until(t, "Ctrl-C ends it")
	const minute = "dead letters on their queue" // make up says so each minute
	good, findings := []int{0}, []int{0, 5}

	up.until(t, minute)
	p.answers(p.types(good, "status"), ` is alive: `, `^last event +\d`, `^version +function `)
	p.answers(p.types(good, "flows", "--codes"), `^CRM accounts `, `^  CONNECTOR-2001-500 `, `lineages? recovered`)
	p.answers(p.types(good, "flows"), `^CRM accounts +(failing for|breaker open until|ok)`)
	p.answers(p.types([]int{3}, "pause", "CRM account", "--reason", "it moves", "--yes"), `did you mean "CRM accounts"`)
	p.answers(p.types(good, "pause", "Product catalog", "--reason", "it moves", "--yes"), `is paused`)
	p.answers(p.types(good, "pauses"), `Product catalog.* in force .*it moves`)
	p.answers(p.types(good, "resume", "Product catalog", "--yes"), `is resumed`)
	p.answers(p.types(findings, "doctor"), `^✓ credential of .*: IMS accepts it`)

	row := regexp.MustCompile(`(?m)^([0-9a-f]{8}-\S+) `) // begins with the id of a run
	deferred := regexp.MustCompile(`(?m)^([0-9a-f]{8}-\S+) .* deferred +`)
	var letter, waits []string
	for range 2 {
		up.until(t, minute)
		if letter == nil {
			letter = row.FindStringSubmatch(p.types(good, "dead-letters", "list"))
		}
		if waits == nil {
			waits = deferred.FindStringSubmatch(p.types(good, "waiting"))
		}
		if letter != nil && waits != nil {
			break
		}
	}
	if letter == nil || waits == nil {
		t.Fatalf("after three minutes there is a dead letter: %q; and what waits: %q", letter, waits)
	}
	p.answers(p.types(good, "explain", letter[1]), ` of dataflow "`, ` failed: \S+: `, `dead_lettered \(`)
	p.answers(p.types(good, "dead-letters", "redrive", letter[1], "--force", "--why", "practice", "--yes"), `^Sent 1 dead letter`)
	// Time goes on meanwhile: the run's time may just have come.
	p.answers(p.types([]int{0, 1}, "waiting", "now", waits[1], "--yes"), waits[1]+` +(deferred|returned|retriggered|skipped|dead_lettered) `)
	p.answers(p.types([]int{0, 1}, "waiting", "cancel", waits[1], "--reason", "practice", "--yes"), waits[1]+` +(skipped +cancelled|\w+ +not_waiting|returned +\w+) `)
	p.answers(p.types(good, "dead-letters", "redrive", "--mended", "--force", "--yes"), `^(Sent \d+ dead letters?|No dead letter matches)`)

	if err := up.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if said, _ := up.rest(); !strings.Contains(said, "Stopped: re-triggered") {
		t.Error(said)
	}
}
