package main

import (
	"context"
	"maps"
	"regexp"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// mutants are stores that break the ledger on purpose. TestInvariantsHoldInRandomHistories must find each.
func mutants() map[string]func(store.Table) store.Table {
	change := func(of func([]store.Write) []store.Write) func(store.Table) store.Table {
		return func(t store.Table) store.Table { return changedCommits{t, of} }
	}
	return map[string]func(store.Table) store.Table{
		"the claim is dropped":         change(withoutClaims),
		"attempts are counted per run": change(withoutAttempts),
		"recorded before the call":     change(recordedFirst),
		"the slot is ignored":          func(t store.Table) store.Table { return withoutSlots{t} },
		"the slot has no client id":    change(withoutClients),
		"untold news is not listed":    change(withoutLists),
	}
}

// changedCommits changes the ledger's writes. It writes nothing if no write is left.
type changedCommits struct {
	store.Table
	change func([]store.Write) []store.Write
}

func (t changedCommits) Commit(ctx context.Context, writes ...store.Write) error {
	copies := slices.Clone(writes)
	for i := range copies {
		copies[i].New = maps.Clone(copies[i].New)
	}
	if changed := t.change(copies); len(changed) > 0 {
		return t.Table.Commit(ctx, changed...)
	}
	return nil
}

// isClaim reports whether the writes claim a run.
func isClaim(writes []store.Write) bool {
	return slices.ContainsFunc(writes, func(w store.Write) bool { return w.New["state"] == string(ledger.InFlight) })
}

// withoutClaims writes no claim.
func withoutClaims(writes []store.Write) []store.Write {
	if isClaim(writes) {
		return nil
	}
	return writes
}

// withoutAttempts forgets how many re-triggers a lineage has had.
func withoutAttempts(writes []store.Write) []store.Write {
	for _, w := range writes {
		delete(w.New, "attempt")
	}
	return writes
}

// recordedFirst records a run as re-triggered before the call is sent.
func recordedFirst(writes []store.Write) []store.Write {
	if !isClaim(writes) {
		return writes
	}
	for _, w := range writes {
		if w.New["runId"] != "" {
			w.New["state"], w.New["newRunId"] = string(ledger.Retriggered), w.New["runId"]+"-new"
		}
		delete(w.New, "slot")
	}
	return writes
}

// withoutClients forgets which client has sent a call.
func withoutClients(writes []store.Write) []store.Write {
	for _, w := range writes {
		if slot := w.New["slot"]; slot != "" {
			w.New["slot"] = regexp.MustCompile(`"client":"[^"]*",`).ReplaceAllString(slot, "")
		}
	}
	return writes
}

// withoutSlots hides the slots, which show that a call is under way or lost.
type withoutSlots struct{ store.Table }

func (t withoutSlots) Read(ctx context.Context, keys ...string) ([]store.Record, error) {
	found, err := t.Table.Read(ctx, keys...)
	for _, r := range found {
		delete(r, "slot")
	}
	return found, err
}

// withoutLists puts no entry on a list.
func withoutLists(writes []store.Write) []store.Write {
	for _, w := range writes {
		delete(w.New, store.IndexList)
	}
	return writes
}
