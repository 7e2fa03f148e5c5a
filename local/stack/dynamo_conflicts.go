package stack

import (
	"encoding/json"
	"sync"
)

// transactions are those under way, by the items that they write. DynamoDB cancels a
// transaction that shares an item with another one under way, and refuses a plain write
// of such an item. minidyn lets them wait for each other instead.
type transactions struct {
	mu    sync.Mutex
	items map[string]bool
}

// conflictMessages are DynamoDB's.
const (
	canceledMessage = "Transaction canceled, please refer cancellation reasons for specific reasons"
	conflictMessage = "Transaction is ongoing for the item"
)

// begin lets a call begin: done ends it. If it meets a transaction under way, begin
// returns DynamoDB's answer instead.
func (t *transactions) begin(op string, body []byte) (done func(), refused any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch op {
	case "PutItem", "UpdateItem", "DeleteItem":
		var o operation
		if json.Unmarshal(body, &o) == nil && t.items[o.id()] {
			return nil, map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException", "message": conflictMessage}
		}
		return func() {}, nil
	case "TransactWriteItems":
		all, err := transacted(body)
		if err != nil {
			return func() {}, nil // minidyn says so
		}
		return t.beginTransaction(all)
	}
	return func() {}, nil
}

func (t *transactions) beginTransaction(all []operation) (done func(), refused any) {
	reasons, canceled := make([]map[string]string, len(all)), false
	for i, o := range all {
		reasons[i] = map[string]string{"Code": "None"}
		if t.items[o.id()] {
			reasons[i], canceled = map[string]string{"Code": "TransactionConflict", "Message": conflictMessage}, true
		}
	}
	if canceled {
		return nil, canceledFor(reasons, canceledMessage)
	}
	if t.items == nil {
		t.items = map[string]bool{}
	}
	for _, o := range all {
		t.items[o.id()] = true
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, o := range all {
			delete(t.items, o.id())
		}
	}, nil
}
