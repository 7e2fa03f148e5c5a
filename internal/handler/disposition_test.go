package handler

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestEachRowOfTheDispositionTable has the rows in the order of the table, with the
// borders on both sides.
func TestEachRowOfTheDispositionTable(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	cases := []struct {
		row  string
		m    message
		want what
	}{
		{"poison", message{Unworked: true, Receives: 51, Requests: true}, GiveUpPoison},
		{"before the work", message{Unworked: true, Receives: 50, Requests: true}, WorkOnIt},
		{"before the work", message{Unworked: true, Receives: 900, Requests: true, Wrote: true}, WorkOnIt},
		{"before the work", message{Unworked: true, Receives: 900, Requests: true, HasWaited: true}, WorkOnIt},
		{"before the work", message{Unworked: true, Receives: 900}, WorkOnIt},

		{"a sweep that was received too often, or is old", message{Sweep: true, Receives: 500}, RequeueCopy},
		{"a sweep that was received too often, or is old", message{Sweep: true, Age: 13*day + 1, Requeues: 7}, RequeueCopy},
		{"such a sweep that was replaced too often", message{Sweep: true, Receives: 500, Requeues: 8}, GiveUp},
		{"such a sweep that was replaced too often", message{Sweep: true, Age: 13*day + 1, Requeues: 8}, GiveUp},
		{"a sweep that goes on, or a command that failed", message{Sweep: true, Receives: 499, Age: 13 * day, Requeues: 8}, Return},
		{"a sweep that goes on, or a command that failed", message{Failed: true, Receives: 999, Age: 14 * day}, Return},

		{"all is done", message{Done: 2, Receives: 999, Age: 14 * day}, Delete},
		{"all is done", message{}, Delete},
		{"a part is done and must not be done again", message{Done: 1, Returned: 1}, RequeueRest},
		{"a part is no request and fits into no dead letter", message{Returned: 2, NoRequest: 1, Age: 14 * day, Receives: 999, Faulty: true}, Return},

		{"13 days of waiting for a credential", message{Returned: 1, Age: 13*day + 1, ForCredential: true, Requeues: 7}, RequeueCopy},
		{"13 days of waiting", message{Returned: 1, Age: 13*day + 1, ForCredential: true, Requeues: 8}, GiveUpWaiting},
		{"13 days of waiting", message{Returned: 1, Age: 13*day + 1, ForPause: true}, GiveUpWaiting},
		{"waiting", message{Returned: 1, Age: 13 * day}, Return},

		{"no ledger, and most receives were for waiting", message{Returned: 1, Faulty: true, NoLedger: true, HasWaited: true, Receives: 10, Requeues: 7}, RequeueCopy},
		{"no ledger, and received too often", message{Returned: 1, Faulty: true, NoLedger: true, HasWaited: true, Receives: 10, Requeues: 8}, GiveUp},
		{"no ledger, and received too often", message{Returned: 1, Faulty: true, NoLedger: true, Receives: 10}, GiveUp},
		{"a fault, which the ledger counts", message{Returned: 1, Faulty: true, NoLedger: true, Receives: 9}, Return},
		{"a fault, which the ledger counts", message{Returned: 1, Faulty: true, Receives: 999, Age: 14 * day}, Return},
		{"a pause, of which no end is known", message{Returned: 1, ForPause: true, HasWaited: true, Receives: 999}, Return},
		{"waiting that could be taken for poison", message{Returned: 1, ForPause: true, Receives: copyBefore}, RequeueCopy},

		{"waiting that could be taken for poison", message{Returned: 1, Receives: 40}, RequeueCopy},
		{"waiting", message{Returned: 1, Receives: 39}, Return},
		{"waiting", message{Returned: 1, Receives: 40, HasWaited: true}, Return},
		{"waiting that has used up its receives", message{Returned: 1, Receives: 500, HasWaited: true, Requeues: 7}, RequeueCopy},
		{"waiting", message{Returned: 1, Receives: 499, HasWaited: true}, Return},
		{"waiting", message{Returned: 1, Receives: 500, HasWaited: true, Requeues: 8}, Return},
	}
	seen := map[string]bool{}
	for _, tt := range cases {
		seen[tt.row] = true
		if got := rowOf(tt.m); got.Name != tt.row || disposition(tt.m) != tt.want {
			t.Errorf("%+v is %q and becomes %q, want %q and %q", tt.m, got.Name, disposition(tt.m), tt.row, tt.want)
		}
	}
	for _, r := range table {
		if !seen[r.Name] {
			t.Errorf("no case has the row %q", r.Name)
		}
	}
}

// messages draws any message that the handler can describe.
func messages() *rapid.Generator[message] {
	return rapid.Custom(func(t *rapid.T) message {
		flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
		near := func(name string, borders ...int) int {
			return max(0, rapid.SampledFrom(borders).Draw(t, name)+rapid.IntRange(-1, 1).Draw(t, "beside"))
		}
		m := message{
			Receives: near("receives", 1, maxReceives, copyBefore, poisonAfter, copyAfter, 1000), Requeues: near("requeues", 0, maxRequeues),
			Requests: flag("requests"), Wrote: flag("wrote"), HasWaited: flag("waited"),
		}
		if m.Unworked = flag("unworked"); m.Unworked {
			return m
		}
		m.Age = time.Duration(near("days", 0, 13))*24*time.Hour + time.Duration(rapid.IntRange(-1, 1).Draw(t, "nanoseconds"))
		m.Sweep, m.Failed = flag("sweep"), flag("failed")
		m.Done, m.Returned = near("done", 0, 1), near("returned", 0, 1)
		m.NoRequest = min(m.Returned, near("no request", 0, 0, 1))
		m.NoLedger = m.Returned > 0 && flag("no ledger")
		m.Faulty = m.NoLedger || m.Returned > 0 && flag("faulty")
		switch rapid.IntRange(0, 2).Draw(t, "the first one waits for") {
		case 0:
			m.ForCredential = m.Returned > 0
		case 1:
			m.ForPause = m.Returned > 0
		}
		return m
	})
}

func TestADispositionLosesNothingAndGivesUpNothingThatOnlyWaits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := messages().Draw(t, "message")
		got := disposition(m)
		switch got {
		case WorkOnIt, GiveUpPoison:
			if !m.Unworked {
				t.Fatalf("%q after the work", got)
			}
		case Delete, Return, RequeueCopy, RequeueRest, GiveUp, GiveUpWaiting:
			if m.Unworked {
				t.Fatalf("%q before the work", got)
			}
		default:
			t.Fatalf("%q is no disposition", got)
		}
		if got == Delete && (m.Returned > 0 || m.Sweep || m.Failed) {
			t.Fatal("it deletes a message of which something is left")
		}
		waits := !m.Unworked && !m.Sweep && m.Returned > 0 && !m.Faulty
		if waits && m.Age <= maxWait && (got == GiveUp || got == GiveUpWaiting) {
			t.Fatalf("%q before 13 days", got)
		}
		if got == GiveUpPoison && (m.Wrote || m.Receives <= poisonAfter) {
			t.Fatal("it is no poison: something was written, or it was received too seldom")
		}
		if got == GiveUpWaiting && m.Faulty {
			t.Fatal("a fault is given up as if it had waited")
		}
		if got == RequeueCopy && m.Requeues >= maxRequeues && m.HasWaited {
			t.Fatal("a chain of copies without an end")
		}
		if m.Done > 0 && got == Return && m.Returned > 0 && !m.Sweep && !m.Failed {
			t.Fatal("what is done comes back whole")
		}
	})
}
