package flowclient

import (
	"encoding/json"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"

	"github.com/aep-retrigger/aep-retrigger/pkg/aepcodes"
)

// The values of [WithOp]. Adobe's documents disagree about the op parameter of a
// re-trigger, and none says which spelling production takes.
const (
	// OpAuto sends SpellingTutorial first. If Adobe refuses it, SpellingOpenAPI is sent
	// once within the same call. The spelling that made a run is remembered and sent
	// first from then on; the other one is sent where Adobe refuses it after all.
	OpAuto = "auto"
	// SpellingTutorial is the spelling in the tutorial "Retry failed dataflow runs".
	SpellingTutorial = "re-trigger"
	// SpellingOpenAPI is the spelling in Adobe's OpenAPI description of Flow Service.
	SpellingOpenAPI = "RE_TRIGGER"
)

// AcceptedOp remembers which spelling of op Adobe accepts; see [WithAcceptedOp]. Its
// zero value knows none. It is safe for concurrent use, and must not be copied.
type AcceptedOp struct{ spelling atomic.Pointer[string] }

// Spelling returns the spelling that the last re-trigger succeeded with; empty before
// the first success.
func (a *AcceptedOp) Spelling() string {
	if known := a.spelling.Load(); known != nil {
		return *known
	}
	return ""
}

// learn takes note of a success.
func (a *AcceptedOp) learn(spelling string) { a.spelling.Store(&spelling) }

// spellings returns the spellings of op to send, in this order, until one is accepted.
func (c *Client) spellings() []string {
	if c.op != OpAuto {
		return []string{c.op}
	}
	if c.accepted.Spelling() == SpellingOpenAPI {
		return []string{SpellingOpenAPI, SpellingTutorial}
	}
	return []string{SpellingTutorial, SpellingOpenAPI}
}

// namesOperation finds a text about the operation, or about the parameter that names
// it.
var namesOperation = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(op|ops|operations?|actions?|flowRunActions?|re[-_ ]?trigger\w*|enum|allowed values?|supported values?|query param\w*)\b`)
})

// refusesSpelling reports whether an answer to a re-trigger may refuse no more than the
// spelling of op: a 400 that can be read, with a code that means so, or with a text about
// the operation and a code that is not known or leaves the cause to its text, such as 1451
// ("a query parameter is not valid"). Adobe did nothing in either case.
func refusesSpelling(answer reply, failure *Error) bool {
	if answer.status != http.StatusBadRequest || answer.err != nil || !json.Valid(answer.body) {
		return false
	}
	if entry, known := failure.Catalog(); known && entry.Reason != aepcodes.Rejected {
		return entry.OtherOp
	}
	return namesOperation().MatchString(failure.Message)
}

// tellsMore reports whether the refusal of the first spelling tells more than that of
// the second. The sources' codes speak of the run's source, Flow Service's of the
// spelling alone.
func tellsMore(first, second *Error) bool {
	if a, b := weight(first), weight(second); a != b {
		return a > b
	}
	return len(first.Message) >= len(second.Message)
}

func weight(e *Error) int {
	switch entry, known := e.Catalog(); {
	case !known:
		return 0
	case entry.Family != aepcodes.Sources:
		return 1
	default:
		return 2
	}
}
