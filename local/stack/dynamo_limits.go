package stack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Limits of DynamoDB: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html.
const (
	maxItem     = 400 << 10 // bytes of attributes' names and values
	maxGet      = 100       // keys of a BatchGetItem
	maxTransact = 100       // items of a transaction
)

// item is an item or a key as DynamoDB's protocol writes it: attributes by name, each
// an object of its type and value.
type item map[string]map[string]json.RawMessage

// operation is a part of a call that reads or writes one item.
type operation struct {
	TableName string
	Item, Key item
}

// id tells the item that the operation is on. Each table here has the ledger's key.
func (o operation) id() string {
	of := o.Key
	if of == nil {
		of = o.Item
	}
	text, _ := json.Marshal(of[store.AttributeKey]) // it was JSON
	return o.TableName + " " + string(text)
}

// size is what DynamoDB counts of an item, in bytes. Numbers count less than here, and
// the items of this project hold few.
func (i item) size() int {
	n := 0
	for name, value := range i {
		n += len(name)
		for kind, raw := range value {
			var text string
			switch {
			case json.Unmarshal(raw, &text) != nil:
				n += len(raw)
			case kind == "B":
				n += base64.StdEncoding.DecodedLen(len(text))
			default:
				n += len(text)
			}
		}
	}
	return n
}

// refusal is DynamoDB's answer to a call that it refuses for its items, or nil. minidyn
// takes a key that stands twice, and items of any size. The two calls here are those by
// which the ledger names items.
func refusal(op string, body []byte) any {
	switch op {
	case "BatchGetItem":
		return refusedGet(body)
	case "TransactWriteItems":
		return refusedTransaction(body)
	}
	return nil
}

func invalidCall(message string) any {
	return map[string]string{"__type": "com.amazon.coral.validate#ValidationException", "message": message}
}

func refusedGet(body []byte) any {
	var in struct {
		RequestItems map[string]struct{ Keys []item }
	}
	if json.Unmarshal(body, &in) != nil {
		return nil // minidyn says so
	}
	var all []operation
	for table, request := range in.RequestItems {
		for _, key := range request.Keys {
			all = append(all, operation{TableName: table, Key: key})
		}
	}
	switch {
	case len(all) > maxGet:
		return invalidCall("Too many items requested for the BatchGetItem call")
	case repeats(all):
		return invalidCall("Provided list of item keys contains duplicates")
	}
	return nil
}

// transacted returns the operations of a transaction.
func transacted(body []byte) (all []operation, err error) {
	var in struct {
		TransactItems []struct{ Put, Update, Delete, ConditionCheck *operation }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	for _, t := range in.TransactItems {
		for _, o := range []*operation{t.Put, t.Update, t.Delete, t.ConditionCheck} {
			if o != nil {
				all = append(all, *o)
			}
		}
	}
	return all, nil
}

func canceledFor(reasons []map[string]string, message string) any {
	return map[string]any{
		"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "CancellationReasons": reasons, "Message": message,
	}
}

func refusedTransaction(body []byte) any {
	all, err := transacted(body)
	if err != nil {
		return nil
	}
	reasons, canceled := make([]map[string]string, len(all)), false
	for i, o := range all {
		reasons[i] = map[string]string{"Code": "None"}
		if o.Item.size() > maxItem {
			reasons[i], canceled = map[string]string{"Code": "ValidationError", "Message": "Item size has exceeded the maximum allowed size"}, true
		}
	}
	switch {
	case len(all) > maxTransact:
		return invalidCall(fmt.Sprintf("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to %d", maxTransact))
	case repeats(all):
		return invalidCall("Transaction request cannot include multiple operations on one item")
	case canceled:
		return canceledFor(reasons, "Transaction canceled, see the cancellation reasons")
	}
	return nil
}

// repeats reports whether two operations are on the same item.
func repeats(all []operation) bool {
	ids := make([]string, len(all))
	for i, o := range all {
		ids[i] = o.id()
	}
	slices.Sort(ids)
	return len(slices.Compact(ids)) < len(all)
}
