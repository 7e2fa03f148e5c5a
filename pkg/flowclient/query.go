package flowclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultPageSize is how many runs are asked for at a time. Adobe publishes no
// maximum; 100 is known to work.
const DefaultPageSize = 100

// Properties of runs to filter by. Adobe says that any property can be filtered by
// whose path is known, and has examples of all of these but the last
// (https://experienceleague.adobe.com/en/docs/experience-platform/dataflows/api/sort-and-filter).
const (
	PropertyID        = "id"
	PropertyFlowID    = "flowId"
	PropertyStatus    = "metrics.statusSummary.status"
	PropertyStartedAt = "metrics.durationSummary.startedAtUTC"
	PropertyUpdatedAt = "updatedAt"
)

// RunQuery selects runs. Its zero value selects all of the sandbox.
type RunQuery struct {
	// Filters must all be met.
	Filters []Filter
	// OrderBy is a property to sort by, descending with "-" in front, such as
	// "-createdAt". Empty leaves the order to Flow Service.
	OrderBy string
	// Limit is the size of a page, not of the whole; 0 means [DefaultPageSize]. A
	// listing that continues an earlier one does well to begin with [RunPage.Limit].
	Limit int
	// ContinuationToken continues a listing after a page; see [RunPage.Next].
	// The rest of the query must be as before.
	ContinuationToken string
	// Unsplit means that a page above [MaxAnswer] ends the listing with [KindTooLarge] and is
	// not asked for again in smaller parts: for a listing that is worth one call and no more.
	Unsplit bool
}

// Filter is a condition on a property of runs. Make it with [Where] or
// [WhereTime].
type Filter struct{ path, op, value string }

// Where compares the property at a path, such as [PropertyStatus], with a
// value. The operators are ==, !=, <, >, <= and >=. With == the value may be
// several, separated by commas, any of which will do.
func Where(path, op, value string) Filter { return Filter{path, op, value} }

// WhereTime compares a property that is a time.
func WhereTime(path, op string, t time.Time) Filter {
	return Where(path, op, strconv.FormatInt(t.UnixMilli(), 10))
}

// String returns the filter as Flow Service reads it.
func (f Filter) String() string { return f.path + f.op + f.value }

func (f Filter) check() error {
	switch {
	case f.path == "" || strings.ContainsAny(f.path, "=!<>,"):
		return fmt.Errorf("%q is no property to filter by", clip(f.path))
	case !slices.Contains([]string{"==", "!=", "<", ">", "<=", ">="}, f.op):
		return fmt.Errorf("%q is no operator to filter with", clip(f.op))
	case f.value == "":
		return fmt.Errorf("the filter on %s has no value", clip(f.path))
	case f.op != "==" && strings.Contains(f.value, ","):
		return fmt.Errorf("the filter on %s has several values, which only == allows", clip(f.path))
	}
	return nil
}

func (q RunQuery) values() (url.Values, error) {
	if q.Limit < 0 {
		return nil, errors.New("the limit is negative")
	}
	v := url.Values{"limit": {strconv.Itoa(cmp.Or(q.Limit, DefaultPageSize))}}
	for _, f := range q.Filters {
		if err := f.check(); err != nil {
			return nil, err
		}
		v.Add("property", f.String())
	}
	if q.OrderBy != "" {
		v.Set("orderby", q.OrderBy)
	}
	if q.ContinuationToken != "" {
		v.Set("continuationToken", q.ContinuationToken)
	}
	return v, nil
}

// RunPage is one page of a listing.
type RunPage struct {
	// Runs may be empty although pages follow.
	Runs []Run
	// Next is the continuation token of the page after this one; empty on the
	// last.
	Next string
	// Limit is the size of the page that was asked for: less than that of the query if
	// the answer was above [MaxAnswer].
	Limit int

	bytes int // of the answer
}

// NextLimit returns the size to ask for the page after this one in: twice this page's, but
// not more than most, if this page was small, so that one large run does not make all that
// follow cost a call each.
func (p RunPage) NextLimit(most int) int {
	if p.bytes < MaxAnswer/4 {
		return min(2*p.Limit, most)
	}
	return min(p.Limit, most)
}

// Runs returns the runs that the query selects, page after page as they are
// asked for. An error ends it: it is yielded once, with a zero run.
func (c *Client) Runs(ctx context.Context, sandbox string, q RunQuery) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		for page, err := range c.RunPages(ctx, sandbox, q) {
			if err != nil {
				yield(Run{}, err)
				return
			}
			for _, run := range page.Runs {
				if !yield(run, nil) {
					return
				}
			}
		}
	}
}

// RunPages returns the runs that the query selects by pages, so that a listing
// can be left and continued later. An error ends it: it is yielded once, with a
// zero page; the page before it tells where to continue.
//
// A page above [MaxAnswer] is asked for again at half the size, down to a single run. The
// listing goes on with the size that worked, and grows again ([RunPage.NextLimit]). A
// single run that is too large ends it with [KindTooLarge]; see also [RunQuery.Unsplit].
func (c *Client) RunPages(ctx context.Context, sandbox string, q RunQuery) iter.Seq2[RunPage, error] {
	return func(yield func(RunPage, error) bool) {
		most := cmp.Or(q.Limit, DefaultPageSize)
		for {
			page, err := c.runPage(ctx, sandbox, q)
			if !yield(page, err) || err != nil || page.Next == "" {
				return
			}
			q.ContinuationToken, q.Limit = page.Next, page.NextLimit(most)
		}
	}
}

// runPage lists one page, in the size that the answer's limit allows.
func (c *Client) runPage(ctx context.Context, sandbox string, q RunQuery) (RunPage, error) {
	for q.Limit = cmp.Or(q.Limit, DefaultPageSize); ; q.Limit /= 2 {
		page, err := c.pageOfSize(ctx, sandbox, q)
		if !errors.Is(err, KindTooLarge) || q.Limit <= 1 || q.Unsplit {
			return page, err
		}
	}
}

func (c *Client) pageOfSize(ctx context.Context, sandbox string, q RunQuery) (RunPage, error) {
	k := call{op: OpRuns, sandbox: sandbox, method: http.MethodGet, path: "/runs"}
	query, err := q.values()
	if err != nil {
		return RunPage{}, k.refuse(err)
	}
	k.query = query
	if q.Limit == 1 {
		k.itemOf = cutItem
	}
	var page RunPage
	k.decode = func(body []byte) (err error) {
		page, err = decodePage(body)
		page.bytes = len(body)
		if err == nil && page.Next != "" && page.Next == q.ContinuationToken {
			err = errors.New("its continuation token leads back to itself")
		}
		return err
	}
	if err := c.do(ctx, k); err != nil {
		return RunPage{}, err
	}
	page.Limit = q.Limit
	return page, nil
}

func decodePage(body []byte) (RunPage, error) {
	var answer struct {
		Items []Run `json:"items"`
		Links struct {
			Next struct {
				Href string `json:"href"`
			} `json:"next"`
		} `json:"_links"`
	}
	if err := decodeLenient(body, &answer); err != nil {
		return RunPage{}, err
	}
	if err := checkItems(answer.Items, func(r *Run) string { return r.ID }); err != nil {
		return RunPage{}, err
	}
	page := RunPage{Runs: answer.Items}
	if href := answer.Links.Next.Href; href != "" {
		if page.Next = continuationToken(href); page.Next == "" {
			return RunPage{}, errors.New("its link to the next page has no continuation token")
		}
	}
	return page, nil
}

// continuationToken takes the token out of a link. The link itself is never
// followed: it could lead the credential elsewhere.
func continuationToken(href string) string {
	_, query, _ := strings.Cut(href, "?")
	for parameter := range strings.SplitSeq(query, "&") {
		if raw, found := strings.CutPrefix(parameter, "continuationToken="); found {
			// Not QueryUnescape: a token has no spaces, but may have a bare "+".
			if token, err := url.PathUnescape(raw); err == nil {
				return token
			}
			return raw
		}
	}
	return ""
}
