package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// listsTwice makes Adobe list each run twice, as a listing does whose pages move while it
// is read.
func listsTwice(w *world) {
	w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if !listsRuns(r) {
			w.Adobe.ServeHTTP(answer, r)
			return
		}
		recorder := httptest.NewRecorder()
		w.Adobe.ServeHTTP(recorder, r)
		var page map[string]any
		if err := json.Unmarshal(recorder.Body.Bytes(), &page); err != nil {
			w.TB.Errorf("the listing is %s: %v", recorder.Body, err)
		}
		items, _ := page["items"].([]any)
		page["items"] = append(items, items...)
		_ = json.NewEncoder(answer).Encode(page)
	})
}

// TestLostCallIsFoundInAListingThatNamesARunTwice: DynamoDB refuses to read one key twice
// in a call.
func TestLostCallIsFoundInAListingThatNamesARunTwice(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		listsTwice(w)
		id := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true})
		w.Told(id)
		w.Drain(5 * time.Hour)
		if e := w.Entry(id); e["state"] != "retriggered" || w.Adobe.Retriggers(id) != 1 {
			t.Errorf("the run's entry is %v after %d re-triggers; dead letters %d", e, w.Adobe.Retriggers(id), len(w.AWS.Messages(w.DeadLetterQueue)))
		}
	})
}
