package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestRetryPolicyIsFollowed: The rules, the age limit and a dry run, end to end.
func TestRetryPolicyIsFollowed(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		rules, err := policy.ParseRules(`[{"code":"MAPPER-*","action":"dead_letter"},{"message":"*quota*","action":"skip"},{"code":"SLOW-*","action":"retry","delays":["0s"]}]`)
		if err != nil {
			t.Fatal(err)
		}
		w.Config.RetryPolicy = rules
		add := func(id, code, message string, age time.Duration) {
			w.Adobe.AddRun(flowsim.Run{
				ID: id, FlowID: "f", Status: flowsim.Failed, CreatedClient: "x", CreatedAt: time.Now().Add(-age), CompletedAt: time.Now().Add(-age),
				Errors: []flowsim.RunError{{Code: code, Message: message}},
			})
		}
		add("mapper", "MAPPER-3700-400", "", time.Hour)
		add("quota", "X", "The quota is used up", time.Hour)
		add("slow", "SLOW-1", "", time.Hour)
		add("old", "X", "", 8*24*time.Hour)
		add("plain", "X", "", time.Hour)
		w.Adobe.Script("f", flowsim.Fail("SLOW-1", "again"))
		want := map[string][]string{
			"mapper": {"dead_lettered policy"}, "quota": {"skipped policy"}, "slow": {"retriggered"}, "old": {"skipped too_old"}, "plain": {"retriggered"},
		}
		p := w.Start(-1, false)
		for id, outcomes := range want {
			// The dry run says the same, and changes nothing.
			before := len(w.Memory.Records())
			answer, err := p.Invoke(t.Context(), []byte(`{"runId":"`+id+`","orgId":"`+worldOrg+`","dryRun":true}`))
			if err != nil || len(w.Memory.Records()) != before || w.Adobe.Retriggers(id) != 0 {
				t.Errorf("%s: the dry run changed something (%v)", id, err)
			}
			word, reason, _ := strings.Cut(outcomes[0], " ")
			if says := string(answer.Payload); !strings.Contains(says, map[string]string{"retriggered": "would be re-triggered", "skipped": "skipped (" + reason, "dead_lettered": "dead_lettered (" + reason}[word]) {
				t.Errorf("%s: the dry run says %s", id, says)
			}
			if id == "mapper" { // by hand: the run is read for its error
				w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `"}`)
			} else {
				w.Send(string(w.Adobe.FailureEvent(id)))
			}
			w.Drain(time.Hour)
			got := w.outcomesOf(id)
			if diff := cmp.Diff(outcomes, got[1:]); diff != "" { // the first is the dry run's
				t.Errorf("%s (-want +got):\n%s", id, diff)
			}
		}
	})
}

// TestRunWithImpossibleTimesIsNeverTooOld: This holds for an event, a request by hand and
// a sweep.
func TestRunWithImpossibleTimesIsNeverTooOld(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]func(now time.Time) (created, ended any){
		"in seconds":              func(now time.Time) (any, any) { return now.Unix(), now.Unix() + 60 },
		"ended in seconds":        func(now time.Time) (any, any) { return now.UnixMilli(), now.Unix() + 60 },
		"in microseconds":         func(now time.Time) (any, any) { return now.UnixMicro(), now.UnixMicro() + 60_000_000 },
		"created in microseconds": func(now time.Time) (any, any) { return now.UnixMicro(), now.UnixMilli() + 60_000 },
		"ended before it began":   func(now time.Time) (any, any) { return now.UnixMilli(), now.UnixMilli() - 30*24*3600_000 },
		"in the year 1970":        func(time.Time) (any, any) { return 1, 2 },
		"before the year 0":       func(now time.Time) (any, any) { return int64(-90000000000000), now.UnixMilli() },
		"in the year 31,969":      func(now time.Time) (any, any) { return int64(946684800000000000), now.UnixMilli() },
		"as texts": func(now time.Time) (any, any) {
			return now.UTC().Format(time.RFC3339), strconv.FormatInt(now.UnixMilli(), 10)
		},
		"of other types":           func(time.Time) (any, any) { return map[string]int{}, true },
		"ended in text, long past": func(now time.Time) (any, any) { return now.UnixMilli(), "1999-01-01T00:00:00Z" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.OrgBudget, w.Config.FlowBudget = 0, 0
				ids := w.backlog(5, 5)
				created, ended := times(time.Now().Add(-time.Hour))
				fail := func(id string) string {
					w.Adobe.AddRun(flowsim.Run{
						ID: id, FlowID: "f", Status: flowsim.Failed, CreatedAt: time.Now().Add(-time.Hour), CompletedAt: time.Now(), CreatedClient: "acp_ui_platform",
						Document: func(d map[string]any) {
							metrics, _ := d["metrics"].(map[string]any)
							d["createdAt"], d["updatedAt"] = created, ended
							metrics["durationSummary"] = map[string]any{"startedAtUTC": created, "completedAtUTC": ended}
						},
					})
					return id
				}
				id := fail("odd")
				dry := w.invoke(w.Start(-1, false), `{"runId":"`+id+`","orgId":"`+worldOrg+`","dryRun":true}`)
				if !strings.Contains(dry.Results[0].Message, "would be re-triggered") {
					t.Errorf("by hand: %s", dry.Results[0].Message)
				}
				w.Send(`{"sweep":{"since":"48h","orgId":"` + worldOrg + `","sandbox":"prod"}}`)
				w.Drain(3 * time.Hour)
				w.wantOnce(t, append(ids, id))
				again := fail("odd-by-event")
				w.Told(again)
				w.Drain(time.Hour)
				if n := w.Adobe.Retriggers(again); n != 1 {
					t.Errorf("by event it was re-triggered %d times", n)
				}
			})
		})
	}
}
