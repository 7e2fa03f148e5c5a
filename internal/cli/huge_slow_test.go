//go:build slow

package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// TestTenThousandRowsArePrintedInSeconds: a list has at most so many of an org.
func TestTenThousandRowsArePrintedInSeconds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	runs := make([]operate.Run, operate.MaxRows)
	for i := range runs {
		runs[i] = operate.Run{
			RunID: "57ee05cd-e009-42c7-8d10-9f1e2a6b3d84", FlowName: "Loyalty members hourly", State: "deferred", Reason: "retry_delay",
			FirstSeen: now.Add(-time.Duration(i) * time.Minute), ErrorCode: "CONNECTOR-1001-500", ErrorText: strings.Repeat("The source refuses the login. ", 5),
		}
	}
	var out bytes.Buffer
	c := &command{system: System{Out: &out}}
	began := time.Now()
	if err := c.print(nil, func(p *printer) { printRuns(p, runs, now) }); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began).Round(time.Millisecond)
	if n := strings.Count(out.String(), "\n"); n != operate.MaxRows+1 || took > time.Minute {
		t.Errorf("%d lines in %s", n, took)
	}
	t.Logf("%d rows, %d KB, took %s", operate.MaxRows, out.Len()>>10, took)
}
