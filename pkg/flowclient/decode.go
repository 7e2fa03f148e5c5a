package flowclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// getOne reads one object, which Flow Service answers bare or as the only item
// of a list.
func getOne[T any](ctx context.Context, c *Client, k call, id func(*T) string) (*T, error) {
	var found *T
	k.method = http.MethodGet
	k.decode = func(body []byte) error {
		var list struct {
			Items []json.RawMessage `json:"items"`
		}
		if err := decodeLenient(body, &list); err != nil {
			return err
		}
		if list.Items != nil {
			if len(list.Items) != 1 {
				return fmt.Errorf("it has %d items, want 1", len(list.Items))
			}
			body = list.Items[0]
		}
		found = new(T)
		if err := decodeLenient(body, found); err != nil {
			return err
		}
		if id(found) == "" {
			return errNoID
		}
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return nil, err
	}
	return found, nil
}

// checkItems refuses an answer without a list of items, or with one that has no id.
func checkItems[T any](items []T, id func(*T) string) error {
	if items == nil {
		return errors.New("it has no list of items")
	}
	for i := range items {
		if id(&items[i]) == "" {
			return errNoID
		}
	}
	return nil
}

// cutItem returns the id of a list's first item if the beginning of the list ends
// within that item; empty if it does not, or if the id comes later.
func cutItem(beginning []byte) string {
	list := json.NewDecoder(bytes.NewReader(beginning))
	if !seek(list, "items") {
		return ""
	}
	if start, err := list.Token(); err != nil || start != json.Delim('[') {
		return ""
	}
	from := list.InputOffset()
	var whole json.RawMessage
	if list.Decode(&whole) == nil {
		return "" // the first item is whole, so it is not the one that is too large
	}
	item := json.NewDecoder(bytes.NewReader(beginning[from:]))
	var id string
	if !seek(item, "id") || item.Decode(&id) != nil {
		return ""
	}
	return id
}

// seek reads an object up to the value of a field, and reports whether it is there.
func seek(d *json.Decoder, field string) bool {
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return false
		}
		if name == field {
			return true
		}
		var other json.RawMessage
		if d.Decode(&other) != nil {
			return false
		}
	}
	return false
}

// errNoID means that an object of an answer has no id.
var errNoID = errors.New("an object in it has no id")

// decodeLenient decodes JSON. A field of another type than expected is left
// empty: what Flow Service sends is only partly documented, and one odd field
// must not hide a run.
func decodeLenient(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	if odd, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && odd.Field != "" {
		return nil
	}
	return err
}
