package sweep

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	// longestRun is how long before its failure a run may have begun, where Flow
	// Service can only be asked for runs by when they started.
	longestRun = 24 * time.Hour
	// skew is how far Flow Service's times of one run may contradict each other.
	skew = time.Minute
	// maxStale is how often a listing begins again at the same place.
	maxStale = 3
	// maxTooLarge is how many runs of a sandbox a listing leaves out for their size. Each is
	// one more filter in the URL.
	maxTooLarge = 20
	// leastPage is below what failures make no page: after an outage the listing is to go
	// on at a bearable pace.
	leastPage = 10
	// firstBackoff doubles with each failure in a row.
	firstBackoff, maxBackoff = 30 * time.Second, 15 * time.Minute
	// maxFailures in a row end the sweep of a sandbox.
	maxFailures = 10
)

// part is what is swept of one org: its sandboxes, one after the other. Each org has a
// part of its own so that one that must wait keeps no other waiting.
type part struct {
	OrgID     string   `json:"orgId,omitempty"`
	Sandboxes []string `json:"sandboxes,omitempty"`
	// Secrets marks the part that stands for secrets which can't be read: of what org
	// they are is not known.
	Secrets bool `json:"secrets,omitempty"`
	// Current is the sandbox that is being listed.
	Current int `json:"current"`
	// Wait is until when there is nothing to do for it.
	Wait time.Time `json:"wait"`

	// Token continues the listing; empty at its beginning.
	Token string `json:"token,omitempty"`
	// From is where the listing began: at the sweep's beginning, or at the last time
	// seen when a token had gone stale. Last is when the newest run seen so far was
	// created, and LastIDs are the runs created just then.
	From    time.Time `json:"from"`
	Last    time.Time `json:"last"`
	LastIDs []string  `json:"lastIds,omitempty"`
	// Stale counts the restarts in a row that have got the sweep nowhere, Requested
	// are the runs that it has requested since the last one.
	Stale     int `json:"stale,omitempty"`
	Requested int `json:"requested,omitempty"`
	// PageSize is the size of the next page where large answers have made it smaller, and
	// MaxPage the greatest size where failures have, or a token that was refused; 0 is the
	// usual. Listed is the size of the last page that was listed.
	PageSize int `json:"pageSize,omitempty"`
	MaxPage  int `json:"maxPage,omitempty"`
	Listed   int `json:"listed,omitempty"`
	// ByStart means that Flow Service refused to list runs by their last change.
	ByStart bool `json:"byStart,omitempty"`
	// Unordered means that the runs have not come in the order of their creation.
	Unordered bool `json:"unordered,omitempty"`
	// Failures counts those in a row.
	Failures int `json:"failures,omitempty"`
	// Ends is how many calls may still be made for the ends of the org's open runs, before
	// its sandboxes are listed; 0 when that is done. EndsAfter is when the last of the runs
	// was first seen that were asked for.
	Ends      int       `json:"ends,omitempty"`
	EndsAfter time.Time `json:"endsAfter,omitzero"`
	// TooLarge are runs that are above the limit of an answer: the listing leaves them out.
	TooLarge []string `json:"tooLarge,omitempty"`
}

func (c *part) done() bool { return c.Current >= len(c.Sandboxes) && !c.Secrets }

// target is the sandbox that is being listed; neither org nor sandbox for secrets.
func (c *part) target() Target {
	if c.Secrets {
		return Target{}
	}
	return Target{OrgID: c.OrgID, Sandbox: c.Sandboxes[c.Current]}
}

// maxPage is the greatest size of a page.
func (c *part) maxPage() int { return cmp.Or(c.MaxPage, flowclient.DefaultPageSize) }

// postpone makes the part wait.
func (c *part) postpone(now time.Time, d time.Duration) {
	c.Wait = now.Add(d).UTC().Truncate(time.Millisecond)
}

// nextSandbox goes on with the next sandbox.
func (c *part) nextSandbox(since time.Time) {
	*c = part{OrgID: c.OrgID, Sandboxes: c.Sandboxes, Current: c.Current + 1, From: since}
}

// query asks for the failed runs of the sandbox, the oldest first, so that those
// that fail meanwhile come at the end. A run that failed in the time of the sweep was
// changed then or later.
func (c *part) query(since time.Time, flows []string) flowclient.RunQuery {
	property, from := flowclient.PropertyUpdatedAt, c.From
	if c.ByStart {
		property = flowclient.PropertyStartedAt
		if !c.restarted(since) {
			from = from.Add(-longestRun)
		}
	}
	q := flowclient.RunQuery{
		Filters: []flowclient.Filter{
			flowclient.Where(flowclient.PropertyStatus, "==", "failed,Failed,FAILED"),
			flowclient.WhereTime(property, ">", from.Add(-skew)),
		},
		OrderBy: "createdAt", ContinuationToken: c.Token, Limit: min(cmp.Or(c.PageSize, c.maxPage()), c.maxPage()),
	}
	if len(flows) > 0 && !slices.ContainsFunc(flows, func(id string) bool { return strings.Contains(id, ",") }) {
		q.Filters = append(q.Filters, flowclient.Where(flowclient.PropertyFlowID, "==", strings.Join(flows, ",")))
	}
	for _, id := range c.TooLarge {
		q.Filters = append(q.Filters, flowclient.Where(flowclient.PropertyID, "!=", id))
	}
	return q
}

// restarted reports whether the listing has begun again at a run's creation.
func (c *part) restarted(since time.Time) bool { return !c.From.Equal(since) }

// see takes note of when a run was created, and reports whether it was not seen
// before.
func (c *part) see(run *flowclient.Run, since time.Time) bool {
	created := run.CreatedAt.Time()
	if c.restarted(since) && (created.Before(c.From) || slices.Contains(c.LastIDs, run.ID)) {
		return false
	}
	switch {
	case created.IsZero(), created.Before(c.Last):
		c.Unordered = true
	case created.After(c.Last):
		c.Last, c.LastIDs = created, []string{run.ID}
	case len(c.LastIDs) < flowclient.DefaultPageSize:
		c.LastIDs = append(slices.Clip(c.LastIDs), run.ID)
	}
	return true
}

// unseen takes note of the runs of a page, and returns those that were not seen before.
func (c *part) unseen(runs []flowclient.Run, since time.Time) (unseen []*flowclient.Run) {
	for i := range runs {
		if c.see(&runs[i], since) {
			unseen = append(unseen, &runs[i])
		}
	}
	return unseen
}

// listed goes on after a page: with the next page, or with the next sandbox.
func (c *part) listed(page flowclient.RunPage, now, since time.Time) {
	c.Failures = 0
	c.postpone(now, 0) // the other orgs come first
	c.Token = page.Next
	c.PageSize, c.Listed = page.NextLimit(c.maxPage()), page.Limit
	if page.Next == "" {
		c.nextSandbox(since)
	}
}

// lastSeen is where a listing begins again: at the last time seen, if the runs have come in
// order; otherwise at the beginning, since runs from before may be missing.
func (c *part) lastSeen(since time.Time) time.Time {
	if !c.Unordered && !c.Last.IsZero() {
		return c.Last
	}
	return since
}

// restart begins the listing again, since its continuation token is refused. It reports
// whether that makes sense.
func (c *part) restart(since time.Time) bool {
	from := c.lastSeen(since)
	// Flow Service may take a token only with the page size for which it gave it. So from
	// now on pages are no larger than the last one that was listed.
	most := c.maxPage()
	size := max(min(cmp.Or(c.Listed, most), most), min(leastPage, most))
	switch {
	case from.After(c.From) || c.Requested > 0:
		c.Stale = 0
	case size < most:
	case most > 1: // the page that was refused may have been made smaller meanwhile
		size = most / 2
	default:
		if c.Stale++; c.Stale == maxStale {
			return false // it goes round in a circle
		}
	}
	c.MaxPage, c.PageSize = size, 0
	c.From, c.Token, c.Requested = from, "", 0
	return true
}

// canLeaveOut reports whether the listing can go on without a run.
func (c *part) canLeaveOut(id string) bool {
	return id != "" && !strings.Contains(id, ",") && !slices.Contains(c.TooLarge, id) && len(c.TooLarge) < maxTooLarge
}

// leaveOut goes on without a run that is too large to be listed. The listing begins again
// at the last time seen, since a continuation token counts for the same filters only.
func (c *part) leaveOut(id string, since time.Time) {
	c.TooLarge, c.Token, c.Requested, c.PageSize = append(slices.Clip(c.TooLarge), id), "", 0, 0
	if c.MaxPage > 0 { // that run may have been why
		c.MaxPage = max(c.MaxPage, leastPage)
	}
	c.From = c.lastSeen(since)
}

// failed counts a failure. From now on pages are smaller: this one may have taken Flow
// Service too long.
func (c *part) failed() {
	c.Failures++
	c.MaxPage = max(c.maxPage()/2, min(leastPage, c.maxPage()))
}

// backoff is how long the part waits after its failures in a row.
func (c *part) backoff() time.Duration {
	return min(firstBackoff<<min(c.Failures-1, maxFailures), maxBackoff) // a larger shift would pass every bound
}
