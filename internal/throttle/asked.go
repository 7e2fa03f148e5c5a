package throttle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"
	"time"
)

// askedTimes says of each scope when its newest pause or resume was asked for. The key is
// a hash of the scope, and the value milliseconds since 1970: 33 bytes an entry.
type askedTimes map[string]int64

const (
	// askedFor is how long the time of a pause or a resume is kept. Lambda delivers an
	// event again for six hours at most.
	askedFor = 24 * time.Hour
	// maxAsked bounds how many times are kept, so that slow-downs have room in the record.
	maxAsked = 200
	// askedSkew is how much older a pause or a resume must be to change nothing. The clocks
	// of two hosts differ a little, and a trace id has whole seconds.
	askedSkew = 2 * time.Second
)

// isNews reports whether what is asked of the scope is not older than what was asked of it
// before, and keeps its time.
func (s *state) isNews(scope Scope, asked, now time.Time) bool {
	if asked.IsZero() || asked.After(now) { // a clock that is ahead must not silence what comes next
		asked = now
	}
	sum := sha256.Sum256([]byte(strconv.Quote(scope.OrgID) + strconv.Quote(scope.FlowID)))
	key, at := hex.EncodeToString(sum[:8]), asked.UnixMilli()
	if before, ok := s.Asked[key]; ok && at+askedSkew.Milliseconds() < before {
		return false
	}
	if s.Asked == nil {
		s.Asked = askedTimes{}
	}
	maps.DeleteFunc(s.Asked, func(_ string, at int64) bool { return now.Sub(time.UnixMilli(at)) > askedFor })
	s.Asked[key] = max(at, s.Asked[key])
	if len(s.Asked) > maxAsked {
		s.Asked.dropOldest()
	}
	return true
}

func (a askedTimes) dropOldest() {
	oldest := ""
	for key, at := range a {
		if oldest == "" || at < a[oldest] {
			oldest = key
		}
	}
	delete(a, oldest)
}

// AskedAt returns when an invocation was asked for. Lambda delivers an asynchronous event
// again under the trace id of its first delivery, and a trace id begins with the second in
// which it was made: "Root=1-5759e988-…". Without one, or if its time is not within the
// six hours for which Lambda repeats an event, the time of this delivery counts.
func AskedAt(ctx context.Context, delivered time.Time) time.Time {
	trace, _ := ctx.Value("x-amzn-trace-id").(string)
	for field := range strings.SplitSeq(trace, ";") {
		parts := strings.Split(field, "-")
		if len(parts) != 3 || parts[0] != "Root=1" {
			continue
		}
		seconds, err := strconv.ParseInt(parts[1], 16, 64)
		at := time.Unix(seconds, 0)
		if age := delivered.Sub(at); err == nil && age >= 0 && age <= 6*time.Hour {
			return at
		}
	}
	return delivered
}
