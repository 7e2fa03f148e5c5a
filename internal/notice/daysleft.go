package notice

import "time"

// DaysUntilDisabled is after how many days of failures on end Adobe disables the dataflow of
// a source, since June 2026.
const DaysUntilDisabled = 30

// DaysLeft is how many full days remain until Adobe disables a dataflow that has failed since
// then. If the ledger has seen the first failure late, it is too many.
func DaysLeft(since, now time.Time) int {
	left := since.Add(DaysUntilDisabled * 24 * time.Hour).Sub(now)
	return max(int(left/(24*time.Hour)), 0)
}
