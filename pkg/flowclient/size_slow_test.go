//go:build slow

package flowclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

func TestListingAboveTheLimitIsAskedForInSmallerPages(t *testing.T) {
	t.Parallel()
	server := &hugeRuns{sizes: all(100, 120_000)} // 12 MB for each hundred
	client := newClient(t, server.ServeHTTP)
	began := time.Now()
	seen := map[string]bool{}
	for page, err := range client.RunPages(t.Context(), sandbox, flowclient.RunQuery{OrderBy: "createdAt"}) {
		if err != nil {
			t.Fatal(err)
		}
		if page.Limit != 50 {
			t.Errorf("the page says that %d were asked for, want 50", page.Limit)
		}
		for _, run := range page.Runs {
			seen[run.ID] = true
		}
	}
	t.Logf("100 runs of 120 kB took %v", time.Since(began))
	if len(seen) != 100 {
		t.Errorf("%d runs, want 100", len(seen))
	}
	if diff := cmp.Diff([]string{"/100", "/50", "50/50"}, server.pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}

func TestListingShrinksToTheLastRunThatFits(t *testing.T) {
	t.Parallel()
	server := &hugeRuns{sizes: append(all(3, 10), 4300<<10, 4300<<10)}
	client := newClient(t, server.ServeHTTP)
	var ids []string
	for run, err := range client.Runs(t.Context(), sandbox, flowclient.RunQuery{Limit: 7}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, run.ID)
	}
	if diff := cmp.Diff([]string{"run-0", "run-1", "run-2", "run-3", "run-4"}, ids); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/7", "/3", "3/6", "3/3", "3/1", "4/1"}, server.pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}

// TestListingGrowsAgainAfterALargeRun: A run of 7 MB makes a page of its own, but the
// runs after it share pages again.
func TestListingGrowsAgainAfterALargeRun(t *testing.T) {
	t.Parallel()
	server := &hugeRuns{sizes: append([]int{7 << 20}, all(120, 20_000)...)}
	client := newClient(t, server.ServeHTTP)
	seen := 0
	for _, err := range client.Runs(t.Context(), sandbox, flowclient.RunQuery{Limit: 60}) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
	}
	want := []string{"/60", "/30", "30/30", "60/60", "120/60"}
	if diff := cmp.Diff(want, server.pages); diff != "" || seen != 121 {
		t.Errorf("%d runs; pages (-want +got):\n%s", seen, diff)
	}
	server = &hugeRuns{sizes: append([]int{8<<20 - 500}, all(120, 1000)...)} // no other fits beside it
	seen = 0
	for _, err := range newClient(t, server.ServeHTTP).Runs(t.Context(), sandbox, flowclient.RunQuery{Limit: 60}) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
	}
	want = []string{"/60", "/30", "/15", "/7", "/3", "/1", "1/1", "2/2", "4/4", "8/8", "16/16", "32/32", "64/60"}
	if diff := cmp.Diff(want, server.pages); diff != "" || seen != 121 {
		t.Errorf("%d runs; pages (-want +got):\n%s", seen, diff)
	}
}

func TestRunThatIsTooLargeIsNamed(t *testing.T) {
	t.Parallel()
	server := &hugeRuns{sizes: []int{10, 9 << 20, 10}}
	client := newClient(t, server.ServeHTTP)
	var ids []string
	var last error
	for run, err := range client.Runs(t.Context(), sandbox, flowclient.RunQuery{Limit: 2}) {
		if err != nil {
			last = err
			break
		}
		ids = append(ids, run.ID)
	}
	if diff := cmp.Diff([]string{"run-0"}, ids); diff != "" {
		t.Errorf("runs before it (-want +got):\n%s", diff)
	}
	_, single := client.Run(t.Context(), sandbox, "run-1")
	for op, err := range map[string]error{flowclient.OpRuns: last, flowclient.OpRun: single} {
		failed := failure(t, err)
		if failed.Op != op || failed.Kind != flowclient.KindTooLarge || failed.Resource != "run-1" || failed.Attempts != 1 || failed.MayHaveTakenEffect() {
			t.Errorf("%s: got %+v", op, failed)
		}
		if text := err.Error(); !strings.Contains(text, `"run-1": HTTP 200 answer too large: the answer is longer than 8 MiB`) {
			t.Errorf("got %s", text)
		}
	}
}

func TestDataflowsAboveTheLimitAreAskedForInHalves(t *testing.T) {
	t.Parallel()
	asked := 0
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		ids, _ := strings.CutPrefix(r.URL.Query().Get("property"), "id==")
		var items []string
		for id := range strings.SplitSeq(ids, ",") {
			items = append(items, `{"id":"`+id+`","padding":"`+strings.Repeat("x", 5<<20)+`"}`)
		}
		_, _ = fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(items, ","))
	})
	flows, err := client.Flows(t.Context(), sandbox, "a", "b")
	if err != nil || len(flows) != 2 || flows[0].ID != "a" || flows[1].ID != "b" || asked != 3 {
		t.Errorf("got %d dataflows, %v, in %d requests", len(flows), err, asked)
	}
	huge := clientAnswering(t, strings.Repeat(" ", 9<<20))
	if _, err := huge.Flows(t.Context(), sandbox, "a", "b"); !errors.Is(err, flowclient.KindTooLarge) || failure(t, err).Resource != "a" {
		t.Errorf("got %v", err)
	}
}
