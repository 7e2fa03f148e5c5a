package stack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// query is a Query of an index as DynamoDB's protocol writes it. Each index here is ordered by
// [store.AttributeAt].
type query struct {
	TableName, IndexName, KeyConditionExpression string
	ExpressionAttributeNames                     map[string]string
	ExpressionAttributeValues                    map[string]attributeText
	ScanIndexForward                             *bool
	Limit                                        int
	ExclusiveStartKey                            item
}

// attributeText is a value that is a text.
type attributeText struct{ S string }

// condition is a comparison of a key condition.
type condition struct{ name, op, value string }

// conditions reads the key condition, such as "flow = :f AND #at > :after"; nil for one of
// another form, which this project has not.
func (q *query) conditions() (all []condition) {
	for part := range strings.SplitSeq(q.KeyConditionExpression, " AND ") {
		words := strings.Fields(part)
		if len(words) != 3 {
			return nil
		}
		name := words[0]
		if strings.HasPrefix(name, "#") {
			name = q.ExpressionAttributeNames[name]
		}
		all = append(all, condition{name, words[1], q.ExpressionAttributeValues[words[2]].S})
	}
	return all
}

func (c condition) holds(i item) bool {
	text := i.text(c.name)
	switch order := strings.Compare(text, c.value); c.op {
	case "=":
		return order == 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	}
	return false
}

// text is an attribute that is a text; empty where there is none.
func (i item) text(name string) (text string) {
	_ = json.Unmarshal(i[name]["S"], &text)
	return text
}

// place orders the items of an index: those of one time by their key.
func (i item) place() string { return i.text(store.AttributeAt) + "\x00" + i.text(store.AttributeKey) }

// queryIndex answers the query of an index from all items of the table. minidyn's own
// indexes lose items: an update that makes an item takes another one's place in them. It
// reports false for any other call.
func (d *simulatedDynamo) queryIndex(op string, body []byte, w http.ResponseWriter, r *http.Request) bool {
	var q query
	if op != "Query" || json.Unmarshal(body, &q) != nil || q.IndexName == "" {
		return false
	}
	conditions := q.conditions()
	if conditions == nil {
		return false
	}
	all, err := d.scan(r, q.TableName)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return true
	}
	forward := q.ScanIndexForward == nil || *q.ScanIndexForward
	after := ""
	if q.ExclusiveStartKey != nil {
		after = q.ExclusiveStartKey.place()
	}
	found := slices.DeleteFunc(all, func(i item) bool {
		past := after == "" || forward && i.place() > after || !forward && i.place() < after
		return !past || i.text(q.IndexName) == "" || i.text(store.AttributeAt) == "" || slices.ContainsFunc(conditions, func(c condition) bool { return !c.holds(i) })
	})
	slices.SortFunc(found, func(a, b item) int { return strings.Compare(a.place(), b.place()) })
	if !forward {
		slices.Reverse(found)
	}
	answer := map[string]any{}
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
		last := found[q.Limit-1]
		answer["LastEvaluatedKey"] = item{store.AttributeKey: last[store.AttributeKey], q.IndexName: last[q.IndexName], store.AttributeAt: last[store.AttributeAt]}
	}
	answer["Items"], answer["Count"], answer["ScannedCount"] = append([]item{}, found...), len(found), len(found)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_ = json.NewEncoder(w).Encode(answer) // into memory
	return true
}

// scan returns all items of a table.
func (d *simulatedDynamo) scan(r *http.Request, table string) ([]item, error) {
	body, err := json.Marshal(map[string]string{"TableName": table})
	if err != nil {
		return nil, err
	}
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	again.Header.Set("X-Amz-Target", "DynamoDB_20120810.Scan")
	recorder := httptest.NewRecorder()
	d.Server.ServeHTTP(recorder, again)
	var answer struct{ Items []item }
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || recorder.Code != http.StatusOK {
		return nil, fmt.Errorf("minidyn can't be scanned: %d %s", recorder.Code, recorder.Body)
	}
	return answer.Items, nil
}
