package flowsim

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flows lists dataflows: by their ids, or all of the sandbox page by page.
func (c *call) flows() (int, any) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	orgID, status, body, ok := c.caller()
	if !ok {
		return status, body
	}
	q := c.r.URL.Query()
	if !q.Has("property") {
		return c.allFlows(orgID, q)
	}
	ids, byID := strings.CutPrefix(q.Get("property"), "id==")
	if limit, err := strconv.Atoi(q.Get("limit")); !byID || len(q) != 2 || err != nil || limit < strings.Count(ids, ",")+1 {
		return c.refuse(http.StatusBadRequest, 1401, "Bad request", "want property=id==… and a limit for all of them")
	}
	items := []any{}
	for id := range strings.SplitSeq(ids, ",") {
		if f := c.s.flows[id]; c.sees(f, orgID) {
			items = append(items, f.document(c.s.now()))
		}
	}
	return http.StatusOK, map[string]any{"items": items, "_links": map[string]any{}}
}

// allFlows lists the dataflows of a sandbox by their ids. The continuation token is the id of
// the last one of the page before.
func (c *call) allFlows(orgID string, q url.Values) (int, any) {
	if status, body, ok := c.query("limit", "continuationToken"); !ok {
		return status, body
	}
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > 100 {
		return c.refuse(http.StatusBadRequest, 1401, "Bad request", "limit must be from 1 to 100")
	}
	after := q.Get("continuationToken")
	if f := c.s.flows[after]; q.Has("continuationToken") && !c.sees(f, orgID) {
		return c.refuse(http.StatusBadRequest, 1401, "Bad request", "the continuation token is not valid")
	}
	items, links, last := []any{}, map[string]any{}, ""
	for _, id := range slices.Sorted(maps.Keys(c.s.flows)) {
		f := c.s.flows[id]
		switch {
		case id <= after || !c.sees(f, orgID):
		case len(items) == limit:
			links["next"] = map[string]string{"href": "/flows?limit=" + strconv.Itoa(limit) + "&continuationToken=" + url.QueryEscape(last)}
			return http.StatusOK, map[string]any{"items": items, "_links": links}
		default:
			items, last = append(items, f.document(c.s.now())), id
		}
	}
	return http.StatusOK, map[string]any{"items": items, "_links": links}
}

// Ids of a dataflow's connections.
const (
	sourcePrefix = "source-of-"
	basePrefix   = "base-of-"
)

// document is a dataflow as Flow Service shows it.
func (f *Flow) document(now time.Time) map[string]any {
	d := map[string]any{
		"id": f.ID, "name": f.Name, "imsOrgId": f.OrgID, "sandboxName": f.Sandbox, "state": "enabled", "sourceConnectionIds": []string{sourcePrefix + f.ID},
	}
	if !f.Streaming {
		d["scheduleParams"] = map[string]any{"startTime": strconv.FormatInt(now.Unix(), 10), "frequency": "hour", "interval": 1}
	}
	return d
}

// sourceConnection is where a dataflow reads from.
func (c *call) sourceConnection() (int, any) {
	f, status, body := c.flowOf(sourcePrefix)
	if f == nil {
		return status, body
	}
	d := map[string]any{"id": c.id, "imsOrgId": f.OrgID, "sandboxName": f.Sandbox}
	if !f.Streaming {
		d["baseConnectionId"] = basePrefix + f.ID
	}
	return http.StatusOK, map[string]any{"items": []any{d}}
}

// testConnection logs in at the source.
func (c *call) testConnection() (int, any) {
	f, status, body := c.flowOf(basePrefix)
	switch {
	case f == nil:
		return status, body
	case f.Refuses != "":
		return c.refuse(http.StatusBadRequest, 1001, "Connection test failed", f.Refuses)
	}
	return http.StatusOK, map[string]string{"state": "success"}
}

// flowOf is the dataflow whose connection the call is about; nil with the answer for none.
func (c *call) flowOf(prefix string) (f *Flow, status int, body any) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	orgID, status, body, ok := c.caller()
	if !ok {
		return nil, status, body
	}
	if status, body, ok := c.query(); !ok {
		return nil, status, body
	}
	id, is := strings.CutPrefix(c.id, prefix)
	if f = c.s.flows[id]; !is || !c.sees(f, orgID) {
		status, body = c.refuse(http.StatusNotFound, 1439, "Resource not found", "No connection with this id")
		return nil, status, body
	}
	return f, 0, nil
}
