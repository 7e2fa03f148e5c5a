package sweep

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// since is when the sweeps of these tests begin.
var since = noon.Add(-24 * time.Hour)

func newPart() part {
	return part{OrgID: org, Sandboxes: []string{"prod", "dev"}, From: since}
}

// created is a run that was created so many minutes after the sweep's beginning.
func created(id string, minutes int) flowclient.Run {
	return flowclient.Run{ID: id, CreatedAt: flowclient.Millis(since.Add(time.Duration(minutes) * time.Minute).UnixMilli())}
}

// filters are the properties that the next page is asked for with.
func (c *part) filters(flows ...string) string {
	var all []string
	for _, f := range c.query(since, flows).Filters {
		all = append(all, f.String())
	}
	return strings.Join(all, " ")
}

func TestAPageAsksForFailedRunsSinceTheBeginning(t *testing.T) {
	t.Parallel()
	ms := func(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }
	for name, tt := range map[string]struct {
		change   func(*part)
		flows    []string
		has, not string
	}{
		"at first":                      {func(*part) {}, nil, "updatedAt>" + ms(since.Add(-time.Minute)), "flowId"},
		"by their start, a day earlier": {func(c *part) { c.ByStart = true }, nil, "startedAtUTC>" + ms(since.Add(-24*time.Hour-time.Minute)), "updatedAt"},
		"by their start, begun again":   {func(c *part) { c.ByStart, c.From = true, noon }, nil, "startedAtUTC>" + ms(noon.Add(-time.Minute)), "updatedAt"},
		"of dataflows":                  {func(*part) {}, []string{"f", "g"}, "flowId==f,g", "id!="},
		"a dataflow with a comma":       {func(*part) {}, []string{"f,g"}, "status==failed", "flowId"},
		"without runs that are huge":    {func(c *part) { c.TooLarge = []string{"huge"} }, nil, "id!=huge", "flowId"},
	} {
		c := newPart()
		tt.change(&c)
		if got := c.filters(tt.flows...); !strings.Contains(got, tt.has) || strings.Contains(got, tt.not) {
			t.Errorf("%s: the filters are %s, want one with %s and none with %s", name, got, tt.has, tt.not)
		}
	}
}

func TestAListingGoesOnWithTheNextPageAndThenTheNextSandbox(t *testing.T) {
	t.Parallel()
	c := newPart()
	c.Failures = 3
	c.listed(flowclient.RunPage{Next: "second", Limit: 10}, noon, since)
	if q := c.query(since, nil); q.ContinuationToken != "second" || q.Limit != 20 || c.Failures != 0 || c.target() != prod || !c.Wait.Equal(noon) {
		t.Errorf("after the first page: %+v", c)
	}
	c.listed(flowclient.RunPage{Limit: 20}, noon, since)
	want := part{OrgID: org, Sandboxes: []string{"prod", "dev"}, Current: 1, From: since}
	if diff := cmp.Diff(want, c); diff != "" || c.done() || c.target().Sandbox != "dev" {
		t.Errorf("after the last page (-want +got):\n%s", diff)
	}
	c.listed(flowclient.RunPage{}, noon, since)
	if !c.done() {
		t.Errorf("after the last sandbox: %+v", c)
	}
}

func TestAListingThatBeginsAgainPassesOverRunsThatWereSeen(t *testing.T) {
	t.Parallel()
	c := newPart()
	page := []flowclient.Run{created("a", 1), created("b", 2), created("c", 2)}
	if n := len(c.unseen(page, since)); n != 3 {
		t.Fatalf("%d runs are new, want 3", n)
	}
	c.Token = "refused"
	if !c.restart(since) || c.Token != "" || !c.From.Equal(since.Add(2*time.Minute)) {
		t.Fatalf("begun again: %+v", c)
	}
	var got []string
	for _, run := range c.unseen(append(page, created("d", 2), created("e", 3)), since) {
		got = append(got, run.ID)
	}
	if diff := cmp.Diff([]string{"d", "e"}, got); diff != "" {
		t.Errorf("the new runs (-want +got):\n%s", diff)
	}
}

func TestAnUnorderedListingBeginsAgainAtItsBeginning(t *testing.T) {
	t.Parallel()
	for name, page := range map[string][]flowclient.Run{
		"a run that is older than the one before": {created("a", 2), created("b", 1)},
		"a run without a time":                    {created("a", 2), {ID: "b"}},
	} {
		c := newPart()
		c.unseen(page, since)
		if c.restart(since); !c.From.Equal(since) || !c.Unordered {
			t.Errorf("%s: it begins again at %s", name, c.From)
		}
		if n := len(c.unseen(page, since)); n != 2 {
			t.Errorf("%s: %d runs are looked at again, want both", name, n)
		}
	}
}

func TestARefusedTokenMakesPagesSmallerUntilTheSweepGetsNowhere(t *testing.T) {
	t.Parallel()
	c := newPart()
	c.Listed = 40
	var sizes []int
	for c.restart(since) {
		sizes = append(sizes, c.maxPage())
	}
	if diff := cmp.Diff([]int{40, 20, 10, 5, 2, 1, 1, 1}, sizes); diff != "" {
		t.Errorf("the sizes of pages (-want +got):\n%s", diff)
	}
}

func TestARefusedTokenIsNoHarmWhereTheListingGetsOn(t *testing.T) {
	t.Parallel()
	c := newPart()
	c.MaxPage = 1
	for i := range 20 {
		c.unseen([]flowclient.Run{created(strconv.Itoa(i), i+1)}, since)
		if !c.restart(since) {
			t.Fatalf("after %d runs the sandbox is given up", i+1)
		}
	}
	c.Stale = maxStale - 1
	c.Requested = 1
	if !c.restart(since) || c.Stale != 0 {
		t.Error("the sandbox is given up although a run was requested")
	}
}

func TestFailuresHalveThePageAndDoubleTheWait(t *testing.T) {
	t.Parallel()
	c := newPart()
	var sizes []int
	var waits []time.Duration
	for range 7 {
		c.failed()
		sizes, waits = append(sizes, c.query(since, nil).Limit), append(waits, c.backoff())
	}
	most := flowclient.DefaultPageSize
	if sizes[0] != most/2 || sizes[1] != most/4 || sizes[6] != leastPage {
		t.Errorf("the sizes of pages are %v", sizes)
	}
	want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Errorf("the waits (-want +got):\n%s", diff)
	}
	c.MaxPage = 3 // a token was refused
	if c.failed(); c.MaxPage != 3 {
		t.Errorf("a page of 3 becomes one of %d", c.MaxPage)
	}
}

func TestRunsThatAreTooLargeAreLeftOut(t *testing.T) {
	t.Parallel()
	c := newPart()
	c.unseen([]flowclient.Run{created("a", 5)}, since)
	c.Token, c.PageSize, c.MaxPage = "old", 1, 1
	c.leaveOut("huge", since)
	if c.Token != "" || c.PageSize != 0 || c.MaxPage != leastPage || !c.From.Equal(since.Add(5*time.Minute)) || c.canLeaveOut("huge") || c.canLeaveOut("") || c.canLeaveOut("a,b") {
		t.Errorf("after a run that is too large: %+v", c)
	}
	for i := 1; i < maxTooLarge; i++ {
		if id := strconv.Itoa(i); c.canLeaveOut(id) {
			c.leaveOut(id, since)
		}
	}
	if len(c.TooLarge) != maxTooLarge || c.canLeaveOut("one more") {
		t.Errorf("%d runs are left out, and one more can be: %t", len(c.TooLarge), c.canLeaveOut("one more"))
	}
}

func TestPartsAreMadeOfTheAccountsThatAreAskedFor(t *testing.T) {
	t.Parallel()
	accounts := []*credentials.Account{{OrgID: "A"}, {OrgID: "B", Sandbox: "own"}}
	for name, tt := range map[string]struct {
		req     event.Sweep
		o       Options
		want    map[string]string
		refused string
	}{
		"the sweep's sandboxes":    {event.Sweep{Sandboxes: []string{"x", "y"}}, Options{Sandboxes: []string{"z"}}, map[string]string{"A": "x y", "B": "x y"}, ""},
		"those of the settings":    {event.Sweep{}, Options{Sandboxes: []string{"z"}, DefaultSandbox: "d"}, map[string]string{"A": "z", "B": "z"}, ""},
		"the secret's, or default": {event.Sweep{}, Options{DefaultSandbox: "d"}, map[string]string{"A": "d", "B": "own"}, ""},
		"one org":                  {event.Sweep{OrgIDs: []string{"B"}}, Options{}, map[string]string{"B": "own"}, ""},
		"no sandbox":               {event.Sweep{}, Options{}, map[string]string{}, "the secret of org A or DEFAULT_SANDBOX name a sandbox"},
	} {
		p := progress{Since: since}
		err := p.add(accounts, tt.req, &tt.o)
		if tt.refused == "" && err == nil {
			err = p.add(accounts, tt.req, &tt.o) // adds nothing
		}
		if got := fmt.Sprint(err); tt.refused != "" != (err != nil) || !strings.Contains(got, tt.refused) {
			t.Errorf("%s: error = %v", name, err)
		}
		got := map[string]string{}
		for _, c := range p.Parts {
			got[c.OrgID] = strings.Join(c.Sandboxes, " ")
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || p.sandboxes() != len(strings.Fields(strings.Join([]string{got["A"], got["B"]}, " "))) {
			t.Errorf("%s: the parts (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheOrgThatWaitsLeastGoesOnFirst(t *testing.T) {
	t.Parallel()
	a, b := newPart(), newPart()
	b.OrgID = "B@AdobeOrg"
	a.postpone(noon, time.Minute)
	p := progress{Begun: noon, Parts: []part{a, b}}
	if first := p.unfinished(); first.OrgID != b.OrgID {
		t.Errorf("%s goes on first", first.OrgID)
	}
	before := p.position()
	p.Parts[1].nextSandbox(since)
	p.Parts[1].nextSandbox(since)
	if first := p.unfinished(); first.OrgID != a.OrgID || p.done() || p.position() == before {
		t.Errorf("%s goes on", first.OrgID)
	}
	p.Parts[0].Current = 2
	if !p.done() {
		t.Error("the sweep is not done")
	}
}

func TestOneInvocationWorksOnASweep(t *testing.T) {
	t.Parallel()
	var p progress
	if err := p.lease(noon, noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := p.lease(noon.Add(59*time.Second), noon.Add(2*time.Minute)); err != errElsewhere { //nolint:errorlint,err113 // it is returned as it is
		t.Errorf("error = %v, want errElsewhere", err)
	}
	p.Lease = time.Time{} // the invocation has come to its end
	if err := p.lease(noon, noon.Add(time.Minute)); err != nil || p.Unended != 0 {
		t.Errorf("%d invocations have not come to an end, %v", p.Unended, err)
	}
	var err error
	dead := 0
	for ; err == nil && dead < 20; dead++ {
		noon := p.Lease.Add(time.Second)
		err = p.lease(noon, noon.Add(time.Minute))
	}
	if dead != maxUnended || !strings.Contains(fmt.Sprint(err), "it may kill the function") {
		t.Errorf("after %d invocations without an end: %v", dead, err)
	}
}
