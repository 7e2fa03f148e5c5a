package cli

import (
	"bytes"
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
