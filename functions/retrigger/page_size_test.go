package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// tokenIn finds the continuation token in an answer.
var tokenIn = regexp.MustCompile(`continuationToken=([^"&\\]+)`)

// copied keeps a copy of an answer.
type copied struct {
	http.ResponseWriter
	body []byte
}

func (c *copied) Write(b []byte) (int, error) {
	c.body = append(c.body, b...)
	return c.ResponseWriter.Write(b)
}

// tokensForOneSize lets Flow Service take a continuation token only with the page size
// for which it gave it.
func tokensForOneSize(w *world) {
	var sizes sync.Map // by token
	w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		size, token := r.URL.Query().Get("limit"), r.URL.Query().Get("continuationToken")
		if known, ok := sizes.Load(token); ok && known != size {
			refuseToken(answer)
			return
		}
		c := &copied{ResponseWriter: answer}
		w.Adobe.ServeHTTP(c, r)
		if found := tokenIn.FindSubmatch(c.body); found != nil && listsRuns(r) {
			next, _ := url.PathUnescape(string(found[1]))
			sizes.Store(next, size)
		}
	})
}

// TestLostCallIsFoundWhenATokenFitsOnePageSizeOnly: The new run is on the second page of
// the dataflow's runs. That page is too large in the first page's size, or the other way
// round.
func TestLostCallIsFoundWhenATokenFitsOnePageSizeOnly(t *testing.T) {
	t.Parallel()
	for name, large := range map[string]func(i int) bool{
		"pages that shrink": func(i int) bool { return i < 60 },
		"pages that grow":   func(i int) bool { return i >= 60 },
		"one run a page":    func(i int) bool { return i%2 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				tokensForOneSize(w)
				run := w.Fail("f")
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable, AfterEffect: true})
				w.Told(run)
				w.Poll(w.Start(-1, false))
				pass(time.Second)
				for i := range 150 {
					newer := flowsim.Run{ID: fmt.Sprint("newer-", i), FlowID: "f", Status: flowsim.Success, CompletedAt: time.Now()}
					if large(i) {
						newer.Document = func(d map[string]any) { d["padding"] = strings.Repeat("x", 100_000) }
					}
					w.Adobe.AddRun(newer)
				}
				w.Drain(time.Hour)
				if ends := w.Logs.Ends(run); len(ends) != 1 || ends[0].Reason != "reconciled" || w.Adobe.Retriggers(run) != 1 {
					t.Errorf("the run ended so: %+v, after %d re-triggers", ends, w.Adobe.Retriggers(run))
				}
			})
		})
	}
}

// TestSweepWithoutProgressIsGivenUp: Adobe takes no continuation token, every other page
// times out, and all runs were created at once. So a listing that begins again gets no
// further.
func TestSweepWithoutProgressIsGivenUp(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		calls := 0
		w.runsCalls(func(answer http.ResponseWriter, r *http.Request) bool {
			calls++
			switch {
			case r.URL.Query().Has("continuationToken"):
				refuseToken(answer)
			case calls%2 == 1:
				http.Error(answer, "", http.StatusGatewayTimeout)
			default:
				return true
			}
			return false
		})
		at := time.Now().Add(-time.Hour)
		for i := range 150 {
			w.Adobe.AddRun(flowsim.Run{ID: fmt.Sprint("run-", i), FlowID: "f", Status: flowsim.Failed, CreatedAt: at, CompletedAt: at})
		}
		w.Send(onlySweep)
		w.Drain(24 * time.Hour)
		if last := w.lastSweep(); last.State != string(sweep.Finished) || last.Failures != 1 || calls > 60 {
			t.Errorf("after %d calls the sweep ended so: %+v", calls, last)
		}
	})
}
