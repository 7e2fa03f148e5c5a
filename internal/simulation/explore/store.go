package explore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// This file is the only one that knows the types of the key-value store.

// storeCalls is the store as one delivery sees it: each call waits for the explorer.
type storeCalls struct {
	by    *delivery
	table store.Table
}

// Read implements [store.Table].
func (s storeCalls) Read(ctx context.Context, keys ...string) (found []store.Record, err error) {
	c := &call{what: "store: read " + strings.Join(keys, ", "), kinds: kinds(keys)}
	c.effect = func() string {
		found, err = s.table.Read(context.WithoutCancel(ctx), keys...)
		return fmt.Sprint(texts(found), err)
	}
	if lost := s.by.wait(ctx, c); lost != nil {
		return nil, &store.UnavailableError{Op: "read", Err: lost}
	}
	return found, err
}

// Commit implements [store.Table].
func (s storeCalls) Commit(ctx context.Context, writes ...store.Write) (err error) {
	writes = slices.DeleteFunc(slices.Clone(writes), func(w store.Write) bool { return forPeople(w.Key) })
	if len(writes) == 0 {
		return nil
	}
	keys := make([]string, len(writes))
	for i, w := range writes {
		keys[i] = w.Key
	}
	c := &call{what: "store: write " + described(writes), mutates: true, kinds: kinds(keys)}
	c.effect = func() string {
		err = s.table.Commit(context.WithoutCancel(ctx), writes...)
		if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
			var current []store.Record
			for _, key := range slices.Sorted(maps.Keys(conflict.Current)) {
				current = append(current, conflict.Current[key])
			}
			return fmt.Sprint("conflict ", texts(current))
		}
		return fmt.Sprint(err)
	}
	if lost := s.by.wait(ctx, c); lost != nil {
		return &store.UnavailableError{Op: "commit", Err: lost}
	}
	return err
}

// Add implements [store.Table].
func (s storeCalls) Add(ctx context.Context, key string, n, most int, ttl time.Time) (added bool, err error) {
	c := &call{what: fmt.Sprintf("store: add %d to %s", n, key), mutates: true, kinds: kinds([]string{key})}
	c.effect = func() string {
		added, err = s.table.Add(context.WithoutCancel(ctx), key, n, most, ttl)
		return fmt.Sprint(added, err)
	}
	if lost := s.by.wait(ctx, c); lost != nil {
		return false, &store.UnavailableError{Op: "add", Err: lost}
	}
	return added, err
}

// List implements [store.Table].
func (s storeCalls) List(ctx context.Context, index, value string, limit int) (found []store.Record, err error) {
	c := &call{what: "store: list " + index + " " + value, kinds: []string{anyKind}}
	c.effect = func() string {
		found, err = s.table.List(context.WithoutCancel(ctx), index, value, limit)
		return fmt.Sprint(texts(found), err)
	}
	if lost := s.by.wait(ctx, c); lost != nil {
		return nil, &store.UnavailableError{Op: "list", Err: lost}
	}
	return found, err
}

// Born implements [store.Table].
func (s storeCalls) Born(ctx context.Context) (born time.Time, err error) {
	c := &call{what: "store: describe", kinds: []string{anyKind}}
	c.effect = func() string {
		born, err = s.table.Born(context.WithoutCancel(ctx))
		return fmt.Sprint(born, err)
	}
	if lost := s.by.wait(ctx, c); lost != nil {
		return time.Time{}, &store.UnavailableError{Op: "describe", Err: lost}
	}
	return born, err
}

// ListFrom implements [store.Table].
func (s storeCalls) ListFrom(ctx context.Context, index, value, after string, limit int) (found []store.Record, err error) {
	c := &call{what: "store: list " + index + " " + value + " after " + after, kinds: []string{anyKind}}
	c.effect = func() string {
		found, err = s.table.ListFrom(context.WithoutCancel(ctx), index, value, after, limit)
		return fmt.Sprint(texts(found), err)
	}
	if lost := s.by.wait(ctx, c); lost != nil {
		return nil, &store.UnavailableError{Op: "list", Err: lost}
	}
	return found, err
}

// forPeople reports whether a key is that of an org's pulse or of a listed dead letter. No
// decision reads them: they are not written here.
func forPeople(key string) bool {
	return strings.HasPrefix(key, "org#") || strings.HasPrefix(key, "letter#")
}

// described says which items a transaction writes, with the state that each gets where it
// has one.
func described(writes []store.Write) string {
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
func texts(records []store.Record) []string {
	all := make([]string, len(records))
	for i, r := range records {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(r)) {
			if name == "decisions" { // they are for people: no decision reads them
				continue
			}
			b.WriteString(name + "=" + r[name] + " ")
		}
		all[i] = b.String()
	}
	return all
}
