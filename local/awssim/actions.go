package awssim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Action is something that IAM must allow to a caller: "sqs:SendMessage" on the queue
// "requests", for example.
type Action struct{ Name, Resource string }

// Actions keeps the actions that each caller has used. It is safe for concurrent use.
type Actions struct {
	mu     sync.Mutex
	used   map[string]map[Action]bool // by access key
	agents map[string]map[string]bool // likewise
}

// Agents returns the User-Agents of the calls of the caller with an access key, in order.
func (a *Actions) Agents(accessKey string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.agents[accessKey]))
}

// Of returns the actions that the caller with an access key has used, in order.
func (a *Actions) Of(accessKey string) []Action {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.SortedFunc(maps.Keys(a.used[accessKey]), func(x, y Action) int {
		return strings.Compare(x.Name+" "+x.Resource, y.Name+" "+y.Resource)
	})
}

// Note keeps what a signed call needs. A batch needs the action of its entries, and a
// transaction of DynamoDB the actions of its writes
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html).
func (a *Actions) Note(r *http.Request, body []byte) {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	caller, _, _ := strings.Cut(credential, "/")
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.used == nil {
		a.used, a.agents = map[string]map[Action]bool{}, map[string]map[string]bool{}
	}
	if a.used[caller] == nil {
		a.used[caller], a.agents[caller] = map[Action]bool{}, map[string]bool{}
	}
	a.agents[caller][r.UserAgent()] = true
	for _, action := range needed(r.Header.Get("X-Amz-Target"), body) {
		a.used[caller][action] = true
	}
}

// input has the fields of calls that name resources.
type input struct {
	QueueURL      string `json:"QueueUrl"`
	SecretID      string `json:"SecretId"`
	Name          string // of a bus
	Entries       []struct{ EventBusName string }
	TableName     string
	IndexName     string
	RequestItems  map[string]json.RawMessage
	TransactItems []map[string]struct{ TableName string }
}

// needed are the actions that a call needs.
func needed(target string, body []byte) (all []Action) {
	var in input
	_ = json.Unmarshal(body, &in) // the operation says what is wrong with it
	service, op, _ := strings.Cut(target, ".")
	switch service {
	case "AmazonSQS":
		return []Action{{"sqs:" + strings.TrimSuffix(op, "Batch"), in.QueueURL[strings.LastIndex(in.QueueURL, "/")+1:]}}
	case "secretsmanager":
		return []Action{{"secretsmanager:" + op, in.SecretID}}
	case "AWSEvents":
		for _, e := range in.Entries {
			all = append(all, Action{"events:" + op, e.EventBusName})
		}
		if op == "DescribeEventBus" {
			all = append(all, Action{"events:" + op, in.Name})
		}
		return all
	}
	table := in.TableName
	if in.IndexName != "" {
		table += "/index/" + in.IndexName
	}
	switch op {
	case "TransactWriteItems":
		names := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
		for _, item := range in.TransactItems {
			for kind, write := range item {
				all = append(all, Action{"dynamodb:" + names[kind], write.TableName})
			}
		}
	case "BatchGetItem", "BatchWriteItem":
		for name := range in.RequestItems {
			all = append(all, Action{"dynamodb:" + op, name})
		}
	default:
		all = append(all, Action{"dynamodb:" + op, table})
	}
	return all
}
