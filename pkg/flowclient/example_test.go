package flowclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// adobe stands in for IMS and Flow Service in the examples.
func adobe() *httptest.Server {
	mux := http.NewServeMux()
	answer := func(pattern string, status int, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	answer("POST /ims/token/v3", http.StatusOK, `{"access_token":"token","token_type":"bearer","expires_in":86399}`)
	answer("POST /runs/failed-run/action", http.StatusOK, `{"id":"new-run","etag":"\"1\""}`)
	answer("POST /runs/other-run/action", http.StatusBadRequest,
		`{"type":"https://ns.adobe.com/aep/errors/1388-400","title":"Bad Request","report":{"detailed-message":"the flow is disabled","request-id":"r-1"}}`)
	answer("GET /runs", http.StatusOK,
		`{"items":[{"id":"failed-run","metrics":{"statusSummary":{"status":"failed","errors":[{"code":"CONNECTOR-1001-500","message":"copying failed"}]}}}],"_links":{}}`)
	return httptest.NewServer(mux)
}

// newExampleClient shows how a client is made. Without the URLs it calls Adobe.
func newExampleClient(url string) *flowclient.Client {
	opts := []flowclient.Option{
		flowclient.WithIMSURL(url),
		flowclient.WithBaseURL(url),
		flowclient.WithUserAgent("example/1.0"),
	}
	tokens, err := flowclient.NewIMS(flowclient.Credentials{
		ClientID:     "client-id",
		ClientSecret: "client-secret",
		Scopes:       []string{"openid", "AdobeID", "read_organizations", "additional_info.projectedProductContext", "session"},
	}, opts...)
	if err != nil {
		panic(err)
	}
	client, err := flowclient.New("0123456789ABCDEF@AdobeOrg", "client-id", tokens, opts...)
	if err != nil {
		panic(err)
	}
	return client
}

func ExampleClient_Retrigger() {
	server := adobe()
	defer server.Close()
	client := newExampleClient(server.URL)

	made, err := client.Retrigger(context.Background(), "prod", "failed-run")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(made.RunID)
	// Output: new-run
}

func ExampleClient_Runs() {
	server := adobe()
	defer server.Close()
	client := newExampleClient(server.URL)

	newYear := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	failed := flowclient.RunQuery{
		Filters: []flowclient.Filter{
			flowclient.Where(flowclient.PropertyStatus, "==", "failed"),
			flowclient.WhereTime(flowclient.PropertyStartedAt, ">=", newYear),
		},
		OrderBy: "-createdAt",
	}
	for run, err := range client.Runs(context.Background(), "prod", failed) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(run.ID, run.Status(), run.Errors())
	}
	// Output: failed-run failed [{CONNECTOR-1001-500 copying failed}]
}

// What to do about a failure is told by its kind.
func ExampleError() {
	server := adobe()
	defer server.Close()
	client := newExampleClient(server.URL)

	_, err := client.Retrigger(context.Background(), "prod", "other-run")
	var failure *flowclient.Error
	switch {
	case !errors.As(err, &failure):
		fmt.Println("re-triggered")
	case failure.MayHaveTakenEffect():
		fmt.Println("look for a new run first")
	case errors.Is(err, flowclient.KindThrottled):
		fmt.Println("try again in", failure.RetryAfter)
	default:
		entry, _ := failure.Catalog()
		fmt.Println(failure.Kind, failure.Code, entry.Reason)
		fmt.Println(entry.NextStep)
	}
	// Output:
	// rejected 1388-400 flow_disabled
	// Enable the dataflow, then redrive the dead letter. Adobe disables a dataflow that has failed for 30 days.
}
