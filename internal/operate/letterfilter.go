package operate

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
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
	// source's error code. A letter without a code matches no pattern of codes but * and
	// [ledger.NoCode].
	Reasons, Codes policy.Patterns
	// FlowPart is a part of a dataflow's name, or its id; unlike Flow it may fit several
	// dataflows, or none. Text is a part of what the source said, of the id of the run or the
	// letter, of the dataflow's name or id, or of the message where there is no run. Case does
	// not matter.
	FlowPart, Text string
	// Older and Newer bound the age of the letter; zero for no bound.
	Older, Newer time.Duration
	// Mended chooses those whose cause counts as mended; see [Mended].
	Mended bool

	flow Flow // what Flow means, after resolve
}

// Empty reports whether the filter chooses all dead letters.
func (f *LetterFilter) Empty() bool {
	return f.OrgID == "" && f.Flow == "" && f.FlowPart == "" && f.Text == "" && len(f.IDs)+len(f.Reasons)+len(f.Codes) == 0 && f.Older == 0 && f.Newer == 0 && !f.Mended
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
		!f.Reasons.Match(l.Reason), !f.Codes.Match(l.ErrorCode) && (l.ErrorCode != "" || !slices.Contains(f.Codes, ledger.NoCode)),
		!contains(f.FlowPart, l.FlowName, l.FlowID), !contains(f.Text, l.ErrorText, l.ID(), l.FlowName, l.FlowID, l.Body),
		f.Older > 0 && age < f.Older, f.Newer > 0 && age > f.Newer:
		return false
	}
	return true
}

// contains reports whether one of the texts has the part, whatever its case.
func contains(part string, texts ...string) bool {
	part = strings.ToLower(part)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), part) })
}
