package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
)

func TestMisspelledVariableIsInTheLogWithoutItsValue(t *testing.T) {
	t.Parallel()
	_, strays, err := config.Load([]string{"SECRET_ID=a", "DEAD_LETTER_QUEUE_URL=https://sqs/1/q", "LEDGER_TABLE=t", "SECRET_IDS=p8e-hunter2", "RETRY_DELAY=1s"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	warn(telemetry.NewLogger(&out, slog.LevelWarn), strays)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("the log is %s", &out)
	}
	for i, want := range []string{`"variable":"RETRY_DELAY","meant":"RETRY_DELAYS"`, `"variable":"SECRET_IDS","meant":"SECRET_ID"`} {
		if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], `"level":"WARN"`) || strings.Contains(lines[i], "hunter2") {
			t.Errorf("the record is %s, want %s", lines[i], want)
		}
	}
}
