package flowsim

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// list pages through the runs, in the order they were created or newest first. The
// continuation token is the id of the last run of the page before.
func (c *call) list() (int, any) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	orgID, status, body, ok := c.caller()
	if !ok {
		return status, body
	}
	if status, body, ok := c.query("property", "orderby", "limit", "count", "continuationToken"); !ok {
		return status, body
	}
	q := c.r.URL.Query()
	if q.Has("count") && q.Has("limit") {
		return c.refuse(http.StatusBadRequest, 1401, "Bad request", "count and limit can't be combined")
	}
	limit := 20
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 || n > 100 {
			return c.refuse(http.StatusBadRequest, 1401, "Bad request", "limit must be from 1 to 100")
		}
		limit = n
	}
	order := byCreation(c.s)
	switch q.Get("orderby") {
	case "", "createdAt", "+createdAt":
	case "-createdAt":
		order = slices.Clone(order)
		slices.Reverse(order)
	default:
		return c.refuse(http.StatusBadRequest, 1401, "Bad request", "unknown orderby")
	}
	if after := q.Get("continuationToken"); after != "" {
		i := slices.Index(order, after)
		if i < 0 {
			return c.refuse(http.StatusBadRequest, 1401, "Bad request", "the continuation token is not valid")
		}
		order = order[i+1:]
	}
	var properties []property
	for _, text := range q["property"] {
		p, err := parseProperty(text)
		if err != nil {
			return c.refuse(http.StatusBadRequest, 1401, "Bad request", err.Error())
		}
		properties = append(properties, p)
	}
	var found []*Run
	for _, id := range order {
		r, f := c.visible(orgID, id)
		if r == nil || c.s.now().Sub(r.CreatedAt) < c.s.listLag {
			continue
		}
		keep := true
		for _, p := range properties {
			keep = keep && p.match(r, f)
		}
		if keep {
			found = append(found, r)
		}
		if len(found) > limit && !q.Has("count") {
			break
		}
	}
	if q.Get("count") == "true" {
		return http.StatusOK, map[string]int{"count": len(found)}
	}
	links := map[string]any{}
	if len(found) > limit {
		found = found[:limit]
		links["next"] = map[string]string{"href": "/runs?continuationToken=" + url.QueryEscape(found[limit-1].ID)}
	}
	items := make([]any, len(found))
	for i, r := range found {
		items[i] = document(r, c.s.flows[r.FlowID])
	}
	return http.StatusOK, map[string]any{"items": items, "_links": links, "count": len(items)}
}

// property is a condition such as flowId==F or createdAt>1593134665781.
type property struct {
	path, op string
	values   []string // of ==, any of which will do
	ms       int64    // of a time
}

func parseProperty(text string) (p property, err error) {
	value, ok := "", false
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.path, value, ok = strings.Cut(text, op); ok {
			p.op = op
			break
		}
	}
	if !ok {
		return p, fmt.Errorf("property %q has no operator", text)
	}
	switch p.path {
	case "id", "flowId", "metrics.statusSummary.status":
		if p.op != "==" && p.op != "!=" {
			return p, fmt.Errorf("%s can't be compared with %s", p.path, p.op)
		}
		p.values = strings.Split(value, ",")
	case "createdAt", "updatedAt", "metrics.durationSummary.startedAtUTC":
		if p.ms, err = strconv.ParseInt(value, 10, 64); err != nil {
			return p, fmt.Errorf("%s is compared with a time in ms", p.path)
		}
	default:
		return p, fmt.Errorf("unknown property %s", p.path)
	}
	return p, nil
}

func (p property) match(r *Run, f *Flow) bool {
	got := r.Status
	switch p.path {
	case "id":
		got = r.ID
	case "flowId":
		got = f.ID
	case "createdAt", "updatedAt", "metrics.durationSummary.startedAtUTC":
		at := r.CreatedAt
		switch {
		case p.path == "updatedAt":
			at = r.updatedAt()
		case p.path != "createdAt" && r.NeverStarted:
			return false // what a run does not have is not compared
		}
		order := cmp.Compare(at.UnixMilli(), p.ms)
		switch p.op {
		case "==":
			return order == 0
		case "!=":
			return order != 0
		case "<":
			return order < 0
		case ">":
			return order > 0
		case "<=":
			return order <= 0
		default:
			return order >= 0
		}
	}
	return slices.ContainsFunc(p.values, func(v string) bool { return strings.EqualFold(v, got) }) == (p.op == "==")
}
