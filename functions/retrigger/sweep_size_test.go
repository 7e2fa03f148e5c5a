package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// lister answers GET /runs with very many runs, and everything else as flowsim does.
type lister struct {
	http.Handler
	runs int
	page int
	wait time.Duration
	mu   sync.Mutex
	seen int
}

func (l *lister) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != flowsim.FlowServicePath+"/runs" {
		l.Handler.ServeHTTP(w, r)
		return
	}
	pass(l.wait)
	from, _ := strconv.Atoi(r.URL.Query().Get("continuationToken"))
	to := min(from+l.page, l.runs)
	items := make([]string, 0, l.page)
	begin := time.Now().Add(-time.Hour).Truncate(time.Hour).UnixMilli()
	for i := from; i < to; i++ {
		items = append(items, fmt.Sprintf(`{"id":"m-%d","flowId":"f","createdAt":%d,"metrics":{"statusSummary":{"status":"success"}}}`, i, begin+int64(i)))
	}
	next := ""
	if to < l.runs {
		next = fmt.Sprintf(`"next":{"href":"/runs?continuationToken=%d"}`, to)
	}
	l.mu.Lock()
	l.seen++
	l.mu.Unlock()
	_, _ = fmt.Fprintf(w, `{"items":[%s],"_links":{%s}}`, strings.Join(items, ","), next)
}
