package flowclient_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// hugeRuns lists runs of these sizes in bytes, in pages whose token is the place of
// their first run, and takes note of the pages that were asked for.
type hugeRuns struct {
	sizes []int
	pages []string // "token/limit"
}

func (h *hugeRuns) run(i int) string {
	return fmt.Sprintf(`{"flowId":"f","id":"run-%d","metrics":{"statusSummary":{"status":"failed"}},"padding":"`, i) + strings.Repeat("x", h.sizes[i]) + `"}`
}

func (h *hugeRuns) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if id, one := strings.CutPrefix(r.URL.Path, "/base/runs/run-"); one {
		i, _ := strconv.Atoi(id)
		_, _ = fmt.Fprintf(w, `{"items":[%s]}`, h.run(i))
		return
	}
	q := r.URL.Query()
	from, _ := strconv.Atoi(q.Get("continuationToken"))
	limit, _ := strconv.Atoi(q.Get("limit"))
	h.pages = append(h.pages, q.Get("continuationToken")+"/"+q.Get("limit"))
	to := min(from+limit, len(h.sizes))
	var items []string
	for i := from; i < to; i++ {
		items = append(items, h.run(i))
	}
	next := "{}"
	if to < len(h.sizes) {
		next = fmt.Sprintf(`{"next":{"href":"/runs?continuationToken=%d"}}`, to)
	}
	_, _ = fmt.Fprintf(w, `{"count":%d,"items":[%s],"_links":%s}`, len(items), strings.Join(items, ","), next)
}

// all repeats a size.
func all(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

func TestListingThatContinuesBeginsWithThePageSizeThatWorked(t *testing.T) {
	t.Parallel()
	server := &hugeRuns{sizes: append(all(40, 220_000), all(20, 10)...)}
	client := newClient(t, server.ServeHTTP)
	query := flowclient.RunQuery{Limit: 40}
	for range 2 { // one page each, as a sweep does
		for page, err := range client.RunPages(t.Context(), sandbox, query) {
			if err != nil {
				t.Fatal(err)
			}
			query.ContinuationToken, query.Limit = page.Next, page.Limit
			break
		}
	}
	if diff := cmp.Diff([]string{"/40", "/20", "20/20"}, server.pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}
