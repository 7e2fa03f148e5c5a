package ledger

import (
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Sum is what was done in a day for the runs of one dataflow that failed with one code, and
// whether it helped. The numbers are only ever added to, each in the transaction that writes
// what it counts.
type Sum struct {
	OrgID string
	// Day is the day in UTC, such as 2026-11-26.
	Day string
	// FlowID is the dataflow's, FlowName its name for people. Each is empty where it is not
	// known.
	FlowID, FlowName string
	// ErrorCode is the source's code, or [NoCode].
	ErrorCode string
	// Recovered counts lineages of which a re-trigger made a run that succeeded. Minutes is
	// how long they took together, each from when its first failure was seen to the end of
	// the run that succeeded. Attempts are the re-triggers that they needed.
	Recovered, Minutes, Attempts int
	// Retriggered counts re-triggers of which we know the new run, GivenUp dead letters of runs.
	Retriggered, GivenUp int
}

// NoCode stands in a [Sum] for runs whose error has no code.
const NoCode = "-"

const (
	// SumTTL is how long a sum is kept: this month can be compared with that of last year.
	SumTTL = 400 * 24 * time.Hour
	// maxCode is how many characters of a code a sum has.
	maxCode = 64
)

// NewSum returns the empty sum of a day, for an error code as the source writes it.
func NewSum(orgID, flowID, flowName, errorCode string, at time.Time) Sum {
	return Sum{OrgID: orgID, Day: at.UTC().Format(time.DateOnly), FlowID: flowID, FlowName: flowName, ErrorCode: plainCode(errorCode)}
}

// plainCode makes a code fit for a key: a source may write anything. For example, "a b#1"
// becomes "a_b_1".
func plainCode(code string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.', r == '_':
			return r
		}
		return '_'
	}, code)
	if plain == "" {
		return NoCode
	}
	return plain[:min(len(plain), maxCode)]
}

// The numbers of a sum, as its item has them.
const (
	sumRecovered   = "recovered"
	sumMinutes     = "recovery_minutes"
	sumAttempts    = "attempts"
	sumRetriggered = "retriggered"
	sumGivenUp     = "given_up"
)

func (s *Sum) key() string {
	return "sum#" + s.OrgID + "#" + s.Day + "#" + s.FlowID + "#" + s.ErrorCode
}

// daysList is the list of an org's sums.
func daysList(orgID string) string { return "days#" + orgID }

// counted is what an operation adds to the sums of its day, for the run as it is then; nil for
// nothing. A re-trigger counts when the run that it made is recorded, whoever finds that out.
func counted(op Operation, r *Run, now time.Time) *Sum {
	s := NewSum(r.OrgID, r.FlowID, r.FlowName, r.ErrorCode, now)
	switch {
	case op == OpConfirm || op == OpLink:
		s.Retriggered = 1
	case op == OpNote && r.State == DeadLettered:
		s.GivenUp = 1
	default:
		return nil
	}
	return &s
}

// Write adds the sum to its item. It is part of the transaction that writes what it counts, so
// that each thing counts exactly once. Re-triggers and dead letters of one dataflow write or check
// its entry and meet there anyway; those of others have other items.
func (s *Sum) Write() store.Write {
	numbers := map[string]int{
		sumRecovered: s.Recovered, sumMinutes: s.Minutes, sumAttempts: s.Attempts, sumRetriggered: s.Retriggered, sumGivenUp: s.GivenUp,
	}
	day, _ := time.Parse(time.DateOnly, s.Day)          // [NewSum] has written it
	order := s.Day + "#" + s.FlowID + "#" + s.ErrorCode // within a day by dataflow
	return store.Write{Key: s.key(), Sums: numbers, New: compact(store.Record{
		"orgId": s.OrgID, "day": s.Day, "flowId": s.FlowID, "flowName": s.FlowName, "errorCode": s.ErrorCode,
		store.IndexList: daysList(s.OrgID), store.AttributeAt: order, store.AttributeTTL: store.TTL(day.Add(SumTTL)),
	})}
}
