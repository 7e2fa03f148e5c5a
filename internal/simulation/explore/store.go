package explore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// This file is the only one that knows the types of the key-value store.

// storeCalls is the store as one delivery sees it: each call waits for the explorer.
type storeCalls struct {
	by    *delivery
	store ledger.Store
}

// Read implements [ledger.Store].
func (s storeCalls) Read(ctx context.Context, keys ...string) (found []ledger.Record, err error) {
	c := &call{what: "store: read " + strings.Join(keys, ", "), kinds: kinds(keys)}
	c.effect = func() string {
		found, err = s.store.Read(context.WithoutCancel(ctx), keys...)
		return fmt.Sprint(texts(found), err)
	}
	if lost := s.by.wait(ctx, c); lost != nil {
		return nil, &ledger.UnavailableError{Op: "read", Err: lost}
	}
	return found, err
}

// Commit implements [ledger.Store].
func (s storeCalls) Commit(ctx context.Context, writes ...ledger.Write) (err error) {
	keys := make([]string, len(writes))
	for i, w := range writes {
		keys[i] = w.Key
	}
	c := &call{what: "store: write " + described(writes), mutates: true, kinds: kinds(keys)}
	c.effect = func() string {
		err = s.store.Commit(context.WithoutCancel(ctx), writes...)
		if conflict, ok := errors.AsType[*ledger.ConflictError](err); ok {
			var current []ledger.Record
			for _, key := range slices.Sorted(maps.Keys(conflict.Current)) {
				current = append(current, conflict.Current[key])
			}
			return fmt.Sprint("conflict ", texts(current))
		}
		return fmt.Sprint(err)
	}
	if lost := s.by.wait(ctx, c); lost != nil {
		return &ledger.UnavailableError{Op: "commit", Err: lost}
	}
	return err
}

// List implements [ledger.Store].
func (s storeCalls) List(ctx context.Context, index, value string, limit int) (found []ledger.Record, err error) {
	c := &call{what: "store: list " + index + " " + value, kinds: []string{anyKind}}
	c.effect = func() string {
		found, err = s.store.List(context.WithoutCancel(ctx), index, value, limit)
		return fmt.Sprint(texts(found), err)
	}
	if lost := s.by.wait(ctx, c); lost != nil {
		return nil, &ledger.UnavailableError{Op: "list", Err: lost}
	}
	return found, err
}

// described says which items a transaction writes, with the state that each gets where it
// has one.
func described(writes []ledger.Write) string {
	parts := make([]string, len(writes))
	for i, w := range writes {
		parts[i] = w.Key
		if state := w.New["state"]; state != "" {
			parts[i] += "=" + state
		}
	}
	return strings.Join(parts, ", ")
}

// kinds are the kinds of items that keys name: what stands before the first "#".
func kinds(keys []string) []string {
	var all []string
	for _, key := range keys {
		kind, _, _ := strings.Cut(key, "#")
		if !slices.Contains(all, kind) {
			all = append(all, kind)
		}
	}
	return all
}

// texts writes records down, attribute by attribute.
func texts(records []ledger.Record) []string {
	all := make([]string, len(records))
	for i, r := range records {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(r)) {
			b.WriteString(name + "=" + r[name] + " ")
		}
		all[i] = b.String()
	}
	return all
}
