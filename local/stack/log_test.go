package stack

import (
	"fmt"
	"strings"
	"testing"
)

func TestLogKeepsItsNewestLinesAndCountsAllOfThem(t *testing.T) {
	t.Parallel()
	for most, all := range map[int]bool{0: true, 1000: false} {
		l := newLog(nil, most)
		for i := range 1000 {
			line := fmt.Sprintf(`{"outcome":"retriggered","runId":"run-%d"}`+"\n"+`{"_aws":{"CloudWatchMetrics":[]}}`+"\n", i)
			_, _ = l.Write([]byte(line[:20])) // a line may come in parts
			_, _ = l.Write([]byte(line[20:]))
		}
		records := l.Records()
		if l.metrics() != 1000 || len(records) == 0 || records[len(records)-1].RunID != "run-999" {
			t.Errorf("most %d: %d invocations, %d records", most, l.metrics(), len(records))
		}
		if all != (len(records) == 1000) || most > 0 && len(l.String()) > most {
			t.Errorf("most %d: %d records in %d bytes", most, len(records), len(l.String()))
		}
		if !strings.HasPrefix(l.String(), "{") {
			t.Errorf("most %d: the log begins in the middle of a line: %.60s", most, l.String())
		}
	}
}
