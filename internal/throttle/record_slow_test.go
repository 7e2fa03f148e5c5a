//go:build slow

package throttle_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// TestSharedRecordFitsAnItemOfDynamoDB, whatever the reasons of its pauses, and there
// stays room for slow-downs: all 200 pauses where their text is ordinary.
func TestSharedRecordFitsAnItemOfDynamoDB(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reason, flow string
		least        int // pauses
	}{
		"short":                {"maintenance", "f", 200},
		"long":                 {strings.Repeat("r", 4096), "f", 200},
		"long, in Polish":      {strings.Repeat("ż", 2048), "f", 200},
		"escaped to six bytes": {strings.Repeat("<", 4096), strings.Repeat("<", 250), 60},
		"control characters":   {strings.Repeat("\x01", 4096), "f", 80},
		"no UTF-8":             {strings.Repeat("\xff", 4096), "f", 100},
		"no reason, long ids":  {"", strings.Repeat("f", 250), 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := memory.New()
			th := throttle.New(table, throttle.Limits{}, false, time.Now)
			made := 0
			for ; made < 200; made++ {
				pauses, err := th.Pause(t.Context(), throttle.Scope{OrgID: orgA, FlowID: tt.flow + strconv.Itoa(made)}, throttle.Cause{Reason: tt.reason}, time.Now())
				if err != nil {
					if !strings.Contains(err.Error(), "give a shorter reason, or pause the org or everything instead") {
						t.Errorf("pause %d: %v", made+1, err)
					}
					break
				}
				if len(pauses) != made+1 {
					t.Fatalf("%d pauses last, want %d", len(pauses), made+1)
				}
			}
			if made < tt.least {
				t.Errorf("%d pauses were possible, want %d", made, tt.least)
			}
			if size := table.Records()[0].Size(); size > store.MaxItem-90<<10 {
				t.Errorf("with %d pauses the record has %d bytes of %d", made, size, store.MaxItem)
			}
			// What is refused leaves the others as they are, and everything can be resumed.
			held, err := th.PauseStatus(t.Context(), orgA, tt.flow+"0", time.Time{})
			if err != nil || held.Wait == 0 {
				t.Errorf("the first pause: %+v, %v", held, err)
			}
			if _, err := th.Resume(t.Context(), throttle.Scope{OrgID: orgA, FlowID: tt.flow + "0"}, time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
}
