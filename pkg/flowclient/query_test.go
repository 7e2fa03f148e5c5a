package flowclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// pages answers with three pages and records what was asked for.
type pages struct {
	asked []url.Values
	link  string // of the first page
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked = append(p.asked, r.URL.Query())
	switch r.URL.Query().Get("continuationToken") {
	case "":
		_, _ = fmt.Fprintf(w, `{"items":[{"id":"1"},{"id":"2"}],"_links":{"next":{"href":%q}},"count":2}`, p.link)
	case "a+b/c==":
		_, _ = fmt.Fprint(w, `{"items":[],"_links":{"next":{"href":"https://elsewhere.invalid/runs?limit=2&continuationToken=last"}},"count":0}`)
	case "last":
		_, _ = fmt.Fprint(w, `{"items":[{"id":"3"}],"_links":{},"count":1}`)
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	for _, link := range []string{"/runs?limit=2&continuationToken=a%2Bb%2Fc%3D%3D", "/runs?continuationToken=a+b/c=="} {
		server := &pages{link: link}
		client := newClient(t, server.ServeHTTP)
		since := time.UnixMilli(1593134665781)
		query := flowclient.RunQuery{
			Filters: []flowclient.Filter{
				flowclient.Where(flowclient.PropertyFlowID, "==", "F&G,H"),
				flowclient.Where(flowclient.PropertyStatus, "==", "Failed"),
				flowclient.WhereTime(flowclient.PropertyStartedAt, ">=", since),
			},
			OrderBy: "-createdAt", Limit: 2,
		}
		var ids []string
		for run, err := range client.Runs(t.Context(), sandbox, query) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, run.ID)
		}
		if diff := cmp.Diff([]string{"1", "2", "3"}, ids); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		var want []url.Values
		for _, token := range []string{"", "a+b/c==", "last"} {
			asked := url.Values{
				"property": {"flowId==F&G,H", "metrics.statusSummary.status==Failed", "metrics.durationSummary.startedAtUTC>=1593134665781"},
				"orderby":  {"-createdAt"}, "limit": {"2"},
			}
			if token != "" {
				asked.Set("continuationToken", token)
			}
			want = append(want, asked)
		}
		if diff := cmp.Diff(want, server.asked); diff != "" {
			t.Errorf("queries (-want +got):\n%s", diff)
		}
	}
}

func TestRunPagesCanBeLeftAndContinued(t *testing.T) {
	t.Parallel()
	server := &pages{link: "/runs?continuationToken=a%2Bb%2Fc%3D%3D"}
	client := newClient(t, server.ServeHTTP)
	var query flowclient.RunQuery
	for page, err := range client.RunPages(t.Context(), sandbox, query) {
		if err != nil || len(page.Runs) != 2 {
			t.Fatalf("got %+v, %v", page, err)
		}
		query.ContinuationToken = page.Next
		break
	}
	var got []string
	for run, err := range client.Runs(t.Context(), sandbox, query) {
		got = append(got, fmt.Sprint(run.ID, err))
	}
	if diff := cmp.Diff([]string{"3<nil>"}, got); diff != "" || len(server.asked) != 3 {
		t.Errorf("%d requests; runs (-want +got):\n%s", len(server.asked), diff)
	}
	if limit := server.asked[0].Get("limit"); limit != "100" {
		t.Errorf("default page size: got %s", limit)
	}
}

func TestRunsCanBeLeftWithinAPage(t *testing.T) {
	t.Parallel()
	server := &pages{}
	for run, err := range newClient(t, server.ServeHTTP).Runs(t.Context(), sandbox, flowclient.RunQuery{}) {
		if err != nil || run.ID != "1" {
			t.Fatalf("got %+v, %v", run, err)
		}
		break
	}
	if len(server.asked) != 1 {
		t.Errorf("%d requests, want 1", len(server.asked))
	}
}

func TestRunsEndWithAnError(t *testing.T) {
	t.Parallel()
	const first = `{"items":[{"id":"1"}],"_links":{"next":{"href":"/runs?continuationToken=x"}}}`
	tests := map[string]struct {
		second answer
		kind   flowclient.Kind
	}{
		"rejected":         {answer{status: 400}, flowclient.KindRejected},
		"no list":          {answer{status: 200, body: `{"count":5}`}, flowclient.KindMalformed},
		"list of numbers":  {answer{status: 200, body: `{"items":[1]}`}, flowclient.KindMalformed},
		"run without id":   {answer{status: 200, body: `{"items":[{"id":"2"},{}]}`}, flowclient.KindMalformed},
		"link to itself":   {answer{status: 200, body: first}, flowclient.KindMalformed},
		"link elsewhere":   {answer{status: 200, body: `{"items":[],"_links":{"next":{"href":"/runs?start=5"}}}`}, flowclient.KindMalformed},
		"truncated always": {answer{fault: truncated(200, `{"items":[`)}, flowclient.KindTransient},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &script{answers: []answer{{status: 200, body: first}, test.second}}
			var ids []string
			var last error
			for run, err := range newClient(t, server.ServeHTTP).Runs(t.Context(), sandbox, flowclient.RunQuery{}) {
				ids, last = append(ids, run.ID), err
			}
			if diff := cmp.Diff([]string{"1", ""}, ids); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
			if failed := failure(t, last); failed.Op != flowclient.OpRuns || failed.Kind != test.kind {
				t.Errorf("got %+v", failed)
			}
		})
	}
}

func TestRunsRefuseWrongQueries(t *testing.T) {
	t.Parallel()
	server := &script{answers: []answer{{status: 200, body: `{"items":[]}`}}}
	client := newClient(t, server.ServeHTTP)
	for name, query := range map[string]flowclient.RunQuery{
		"negative limit":       {Limit: -1},
		"zero filter":          {Filters: []flowclient.Filter{{}}},
		"operator":             {Filters: []flowclient.Filter{flowclient.Where("flowId", "=", "x")}},
		"operator in the path": {Filters: []flowclient.Filter{flowclient.Where("flowId==x", "==", "x")}},
		"no value":             {Filters: []flowclient.Filter{flowclient.Where("flowId", "==", "")}},
		"several values":       {Filters: []flowclient.Filter{flowclient.Where("createdAt", "<", "1,2")}},
		"long path":            {Filters: []flowclient.Filter{flowclient.Where(strings.Repeat("=", 1000), "<", "1")}},
	} {
		n := 0
		for _, err := range client.Runs(t.Context(), sandbox, query) {
			n++
			if !errors.Is(err, flowclient.KindRejected) || len(err.Error()) > 200 {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d elements, want 1", name, n)
		}
	}
	if server.count() != 0 {
		t.Errorf("%d requests were sent", server.count())
	}
}
