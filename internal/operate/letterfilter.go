package operate

import (
	"context"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/policy"
)

// LetterFilter chooses dead letters: those that match all that is given. The zero value chooses
// all.
type LetterFilter struct {
	OrgID string
	// Flow is a dataflow's id or name.
	Flow string
	// IDs are those of runs and of letters without a run.
	IDs []string
	// Reasons and Codes are patterns in which * stands for any text: of the reason, and of the
	// source's error code. A letter without a code matches no pattern of codes but *.
	Reasons, Codes policy.Patterns
	// Older and Newer bound the age of the letter; zero for no bound.
	Older, Newer time.Duration
	// Mended chooses those whose cause counts as mended; see [Mended].
	Mended bool

	flow Flow // what Flow means, after resolve
}

// Empty reports whether the filter chooses all dead letters.
func (f *LetterFilter) Empty() bool {
	return f.OrgID == "" && f.Flow == "" && len(f.IDs)+len(f.Reasons)+len(f.Codes) == 0 && f.Older == 0 && f.Newer == 0 && !f.Mended
}

// resolve finds the org and the dataflow that the filter names. The error is an [*Error], of
// kind NotThere where there is none.
func (f *LetterFilter) resolve(ctx context.Context, o *Operator) (err error) {
	if f.OrgID != "" {
		if _, err := Orgs(ctx, o, f.OrgID); err != nil {
			return err
		}
	}
	if f.Flow != "" {
		f.flow, err = ResolveFlow(ctx, o, f.OrgID, f.Flow)
	}
	return err
}

func (f *LetterFilter) matches(l *DeadLetter, now time.Time) bool {
	age := now.Sub(l.At)
	switch {
	case f.OrgID != "" && orgOf(l) != f.OrgID,
		f.Flow != "" && (l.OrgID != f.flow.OrgID || l.FlowID != f.flow.FlowID),
		len(f.IDs) > 0 && !slices.Contains(f.IDs, l.ID()),
		!f.Reasons.Match(l.Reason), !f.Codes.Match(l.ErrorCode),
		f.Older > 0 && age < f.Older, f.Newer > 0 && age > f.Newer:
		return false
	}
	return true
}
