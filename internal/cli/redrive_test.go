package cli

import (
	"bytes"
	"strings"
	"testing"
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
