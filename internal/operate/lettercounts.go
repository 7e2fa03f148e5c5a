package operate

import (
	"cmp"
	"maps"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// LetterCount is how many dead letters have a word: a reason or an error code.
type LetterCount struct {
	Word string
	N    int
}

// Known is how many dead letters were read, whether they match the filter or not.
func (l *Letters) Known() int { return len(l.known) }

// Reasons counts the letters that were read by reason, the most frequent first.
func (l *Letters) Reasons() []LetterCount {
	return byWord(l.known, func(one *DeadLetter) string { return one.Reason })
}

// Codes counts the letters that were read by their source's error code, the most frequent
// first; those without one stand under [ledger.NoCode].
func (l *Letters) Codes() []LetterCount {
	return byWord(l.known, func(one *DeadLetter) string { return cmp.Or(one.ErrorCode, ledger.NoCode) })
}

// byWord counts the letters by a word.
func byWord(letters []DeadLetter, word func(*DeadLetter) string) []LetterCount {
	numbers := map[string]int{}
	for i := range letters {
		numbers[word(&letters[i])]++
	}
	var found []LetterCount
	for _, w := range slices.Sorted(maps.Keys(numbers)) {
		found = append(found, LetterCount{w, numbers[w]})
	}
	slices.SortStableFunc(found, func(a, b LetterCount) int { return cmp.Compare(b.N, a.N) })
	return found
}
