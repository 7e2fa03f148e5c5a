package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

func TestRedriveSaysThatTheLedgerHasMoreDeadLetters(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := lettersChanged{Matched: 10_000, Letters: make([]string, 10_000), More: true}
	r.people(&printer{out: &out}, "sent")
	if !strings.Contains(out.String(), "The ledger has more of them than were read. Run it again to go on.") {
		t.Errorf("it says: %s", out.String())
	}
}

func TestCommandForAnExpiredLetterIsFitForAShell(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	showLetter(&printer{out: &out}, &operate.ShownLetter{Letter: &operate.DeadLetter{RunID: "$(reboot)", Expired: true}}, time.Now())
	if !strings.Contains(out.String(), "aep-retrigger retry '$(reboot)'") {
		t.Errorf("it says: %s", out.String())
	}
}

// TestCtrlCInARedriveIsAnsweredBesideTheProgress: two parts of the command write then.
func TestCtrlCInARedriveIsAnsweredBesideTheProgress(t *testing.T) {
	t.Parallel()
	var out, errors bytes.Buffer
	c := &command{system: System{Out: &out, Err: &errors, Terminal: true}, yes: true}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	plan := operate.Plan{Matched: 2, Letters: make([]operate.DeadLetter, 2)}
	err := c.changeLetters(ctx, &plan, false, "sent", "Send?", func(ctx context.Context, progress func(int)) (operate.Done, error) {
		cancel()
		progress(1)
		return operate.Done{Letters: []string{"run-1"}, NotFound: []string{"run-2"}}, ctx.Err()
	})
	if err == nil || !strings.Contains(errors.String(), "Stopping after this step.") || !strings.Contains(errors.String(), "1 of 2 sent") || !strings.Contains(out.String(), "Stopped: 1 dead letter left.") {
		t.Errorf("%v; it says:\n%s%s", err, errors.String(), out.String())
	}
}
