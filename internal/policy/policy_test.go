package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/policy"
)

func defaults(rules ...policy.Rule) *policy.Policy {
	return &policy.Policy{Delays: policy.DefaultDelays(), Rules: rules, MaxAge: policy.DefaultMaxAge}
}

func parse(t *testing.T, text string) []policy.Rule {
	t.Helper()
	rules, err := policy.ParseRules(text)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestDefaultPolicyNeedsNoConfiguration(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := defaults()
	run := policy.Run{ID: "r", FailedAt: now}
	for attempts, most := range []time.Duration{0, 5 * time.Minute, 30 * time.Minute} {
		d := p.Decide(run, policy.History{Attempts: attempts, FirstSeen: now}, now)
		if attempts == 0 && d.Action != policy.Retry {
			t.Errorf("the first attempt: %+v, want at once", d)
		}
		if wait := d.At.Sub(now); wait < 0 || wait > most {
			t.Errorf("attempt %d is due in %s, want at most %s", attempts+1, wait, most)
		}
	}
	d := p.Decide(run, policy.History{Attempts: 3, FirstSeen: now}, now)
	if d.Action != policy.DeadLetter || d.Reason != policy.AttemptsExhausted {
		t.Errorf("after three attempts: %+v", d)
	}
}

func TestFirstMatchingRuleDecides(t *testing.T) {
	t.Parallel()
	rules := parse(t, `[
		{"code": "MAPPER-*", "action": "dead_letter"},
		{"code": ["CONNECTOR-1001-*", "2200"], "message": "*timed out*", "action": "retry", "delays": ["0s", "0s", "0s", "0s"]},
		{"flowId": "f-*-x", "sandbox": "DEV*", "action": "skip"},
		{"flowId": "f-*-x", "action": "dead_letter"}
	]`)
	p := defaults(rules...)
	errs := func(pairs ...string) (list []policy.Error) {
		for pair := range slices.Chunk(pairs, 2) {
			list = append(list, policy.Error{Code: pair[0], Message: pair[1]})
		}
		return list
	}
	for name, tt := range map[string]struct {
		run  policy.Run
		want string
	}{
		"no rule":                         {policy.Run{Errors: errs("X", "")}, "limit 3"},
		"no errors":                       {policy.Run{}, "limit 3"},
		"a code":                          {policy.Run{Errors: errs("X", "", "mapper-3700-400", "")}, "dead_letter policy"},
		"not the whole code":              {policy.Run{Errors: errs("A-MAPPER-1", "")}, "limit 3"},
		"code and message":                {policy.Run{Errors: errs("2200", "it TIMED OUT again")}, "limit 4"},
		"code and message of two errors":  {policy.Run{Errors: errs("2200", "no", "X", "it timed out")}, "limit 3"},
		"flow and sandbox":                {policy.Run{FlowID: "f-1-x", Sandbox: "dev2"}, "skip policy"},
		"the flow in another sandbox":     {policy.Run{FlowID: "f--x", Sandbox: "prod"}, "dead_letter policy"},
		"a pattern needs both its halves": {policy.Run{FlowID: "f-x", Sandbox: "prod"}, "limit 3"},
	} {
		d := p.Decide(tt.run, policy.History{}, time.Now())
		got := strings.TrimSpace(fmt.Sprint(d.Action, " ", d.Reason))
		if d.Action == policy.Retry {
			limit := 0
			for p.Decide(tt.run, policy.History{Attempts: limit}, time.Now()).Reason != policy.AttemptsExhausted {
				limit++
			}
			got = fmt.Sprint("limit ", limit)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestOrderOfForceAgeAttemptsRulesAndBreaker(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := defaults(parse(t, `[{"sandbox":"dev","action":"skip"}]`)...)
	old := policy.Run{ID: "r", FailedAt: now.Add(-8 * 24 * time.Hour)}
	blocked := policy.History{FirstSeen: now.Add(-time.Hour), BlockedUntil: now.Add(time.Minute)}
	exhausted := policy.History{Attempts: 3, BlockedUntil: now.Add(time.Minute)}
	force := exhausted
	force.Force = true
	for name, tt := range map[string]struct {
		run  policy.Run
		h    policy.History
		want string
	}{
		"too old":                      {old, policy.History{}, "skip too_old"},
		"age before everything":        {old, exhausted, "skip too_old"},
		"exhausted before the breaker": {policy.Run{}, exhausted, "dead_letter attempts_exhausted"},
		"the breaker":                  {policy.Run{}, blocked, "dead_letter breaker_open"},
		"a rule before the breaker":    {policy.Run{Sandbox: "dev"}, blocked, "skip policy"},
		"force before everything":      {policy.Run{Sandbox: "dev", FailedAt: old.FailedAt}, force, "retry"},
		"forgiven attempts":            {policy.Run{}, policy.History{Attempts: 3, Forgiven: 3, FirstSeen: now}, "retry"},
		"an unknown age":               {policy.Run{}, policy.History{FirstSeen: now}, "retry"},
	} {
		d := p.Decide(tt.run, tt.h, now)
		if got := strings.TrimSpace(fmt.Sprint(d.Action, " ", d.Reason)); got != tt.want || d.Reason != "" && d.Detail == "" {
			t.Errorf("%s: %s (%s), want %s", name, got, d.Detail, tt.want)
		}
	}
}

// TestLineageGetsOneAttemptForEachDelay: This holds for any policy, and a decision to
// wait comes true at its time.
func TestLineageGetsOneAttemptForEachDelay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		delay := rapid.Map(rapid.Int64Range(0, int64(policy.MaxDelay)), func(n int64) time.Duration { return time.Duration(n) })
		p := policy.Policy{Delays: rapid.SliceOfN(delay, 1, policy.MaxAttempts).Draw(t, "delays"), MaxAge: policy.DefaultMaxAge}
		now := time.Unix(1_700_000_000, 0)
		run := policy.Run{ID: rapid.String().Draw(t, "run"), FailedAt: now}
		attempts := 0
		for ; ; attempts++ {
			h := policy.History{Attempts: attempts, FirstSeen: now}
			d := p.Decide(run, h, now)
			if d.Action == policy.DeadLetter {
				break
			}
			if d.Action == policy.Wait {
				if again := p.Decide(run, h, d.At.Add(-time.Nanosecond)); again.At != d.At || again.Action != policy.Wait {
					t.Fatalf("decided again before its time: %+v, want %+v", again, d)
				}
				d = p.Decide(run, h, d.At)
			}
			if d.Action != policy.Retry || d.At.Sub(now) > p.Delays[attempts] || d.At.Before(now) {
				t.Fatalf("attempt %d: %+v", attempts, d)
			}
			now = d.At
		}
		if attempts != len(p.Delays) {
			t.Fatalf("%d attempts of %d", attempts, len(p.Delays))
		}
	})
}

func TestJitterSpreadsRetriesEvenly(t *testing.T) {
	t.Parallel()
	p := policy.Policy{Delays: []time.Duration{time.Hour}, MaxAge: policy.DefaultMaxAge}
	var quarters [4]int
	for i := range 4000 {
		d := p.Decide(policy.Run{ID: fmt.Sprintf("run-%d", i)}, policy.History{FirstSeen: time.Unix(0, 0)}, time.Unix(0, 0))
		quarters[d.At.Sub(time.Unix(0, 0))/(15*time.Minute)]++
	}
	for i, n := range quarters {
		if n < 900 || n > 1100 {
			t.Errorf("%d of 4000 in quarter %d, want some 1000", n, i+1)
		}
	}
}

func TestEveryMistakeInARuleIsNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`{}`:                                  {"is no JSON list of rules"},
		`[`:                                   {"is no JSON list of rules"},
		`[] x`:                                {"something after the list"},
		`["a"]`:                               {"rule 1: it is no object"},
		`[null]`:                              {"rule 1: it is no object"},
		`[{}]`:                                {"rule 1: it has no action"},
		`[{"action":"skip","action":"skip"}]`: {`rule 1: field "action" stands twice`},
		`[{"action":"Skip"},{"action":null,"Code":"x"}]`: {
			`rule 1: action is "Skip", want "retry", "dead_letter" or "skip"`, "rule 2: action is null", `rule 2: unknown field "Code"`,
		},
		`[{"action":"skip"},{"code":"x","action":"skip"}]`: {"rule 2: can never match: rule 1 matches every run"},
		`[{"code":[],"message":7,"flowId":["a",""],"action":"retry","delays":[]},{"action":"retry","delays":["x","-1s"]}]`: {
			"rule 1: code is [], want a text or a list of texts", "rule 1: message is 7", "rule 1: flowId has an empty pattern",
			"rule 1: delays: there are 0 delays", `rule 2: delays: "x" is no delay`, `"-1s" is no delay`,
		},
		`[{"action":"retry","delays":"5m"}]`: {`rule 1: delays is "5m", want a list`},
	} {
		_, err := policy.ParseRules(text)
		if err == nil {
			t.Errorf("%s was accepted", text)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error lacks %q:\n%v", text, part, err)
			}
		}
	}
	for _, text := range []string{"", "5", "1s,,2s", "13h", strings.Repeat("1s,", 20) + "1s"} {
		if _, err := policy.ParseDelays(text); err == nil {
			t.Errorf("delays %q were accepted", text)
		}
	}
}

func TestRulesAndDelaysAreParsed(t *testing.T) {
	t.Parallel()
	got := parse(t, `[{"code":"A*","action":"retry","delays":["0s","90s"]},{"sandbox":["a","b"],"action":"skip"},{"action":"dead_letter"}]`)
	want := []policy.Rule{
		{Code: policy.Patterns{"A*"}, Action: policy.Retry, Delays: []time.Duration{0, 90 * time.Second}},
		{Sandbox: policy.Patterns{"a", "b"}, Action: policy.Skip},
		{Action: policy.DeadLetter},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	delays, err := policy.ParseDelays("0s, 5m,12h")
	if diff := cmp.Diff([]time.Duration{0, 5 * time.Minute, 12 * time.Hour}, delays); diff != "" || err != nil {
		t.Errorf("delays (-want +got):\n%s%v", diff, err)
	}
}

// FuzzParseRules: any text is either refused or gives rules that decide.
func FuzzParseRules(f *testing.F) {
	for _, seed := range []string{`[{"code":"A*","action":"retry","delays":["0s"]}]`, `[{"message":["*x*y*","z"],"flowId":"f","sandbox":"*","action":"skip"}]`, `[{"action":"dead_letter"}]`, `[{"code":"**","action":"skip"}]`} {
		f.Add(seed, "A-1", "a message")
	}
	f.Fuzz(func(t *testing.T, text, code, message string) {
		rules, err := policy.ParseRules(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		p := defaults(rules...)
		run := policy.Run{ID: "r", FlowID: "f", Sandbox: "s", Errors: []policy.Error{{Code: code, Message: message}}}
		for attempts := range policy.MaxAttempts + 1 {
			if d := p.Decide(run, policy.History{Attempts: attempts}, time.Now()); attempts == policy.MaxAttempts && d.Action == policy.Retry {
				t.Errorf("no limit: %+v", d)
			}
		}
	})
}

func TestCatalogDecidesWhereNoRuleMatches(t *testing.T) {
	t.Parallel()
	type errs = []policy.Error
	for name, tt := range map[string]struct {
		errs   errs
		rules  string
		action policy.Action
		reason policy.Reason
	}{
		"no error is known":              {nil, "", policy.Retry, ""},
		"an unknown code":                {errs{{Code: "NEW-1-500"}}, "", policy.Retry, ""},
		"a failed copy":                  {errs{{Code: "CONNECTOR-1001-500"}}, "", policy.Retry, ""},
		"bad data":                       {errs{{Code: "INGEST-1212-400", Message: "2 rows have errors"}}, "", policy.DeadLetter, policy.DataError},
		"bad data behind its wrapper":    {errs{{Code: "CONNECTOR-2001-500"}, {Code: "INGEST-1401-400"}}, "", policy.DeadLetter, policy.DataError},
		"a guardrail":                    {errs{{Code: "X", Message: "Batch ingestion guardrails hit: 25143 files (over the 25000 threshold)"}}, "", policy.DeadLetter, policy.DataError},
		"a duplicate batch":              {errs{{Code: "140"}}, "", policy.Skip, policy.DuplicateBatch},
		"a duplicate, in its wrapper":    {errs{{Code: "CONNECTOR-2001-500"}, {Code: "140"}}, "", policy.Skip, policy.DuplicateBatch},
		"a duplicate, and a failed copy": {errs{{Code: "140"}, {Code: "CONNECTOR-1001-500"}}, "", policy.Retry, ""},
		"a rule comes first":             {errs{{Code: "INGEST-1212-400"}}, `[{"code":"INGEST-*","action":"retry"}]`, policy.Retry, ""},
		"a rule for another":             {errs{{Code: "INGEST-1212-400"}}, `[{"code":"X","action":"retry"}]`, policy.DeadLetter, policy.DataError},
		"a rule skips":                   {errs{{Code: "INGEST-1212-400"}}, `[{"code":"INGEST-*","action":"skip"}]`, policy.Skip, policy.ByPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := policy.Policy{Delays: policy.DefaultDelays(), MaxAge: policy.DefaultMaxAge}
			if tt.rules != "" {
				var err error
				if p.Rules, err = policy.ParseRules(tt.rules); err != nil {
					t.Fatal(err)
				}
			}
			got := p.Decide(policy.Run{ID: "r", Errors: tt.errs}, policy.History{}, time.Now())
			if got.Action != tt.action || got.Reason != tt.reason {
				t.Errorf("%+v, want %s %s", got, tt.action, tt.reason)
			}
			if tt.reason == policy.DataError && (!strings.Contains(got.Detail, tt.errs[len(tt.errs)-1].Code) || !strings.HasSuffix(got.Detail, ".")) {
				t.Errorf("the detail is %q: it has neither the code nor what to do", got.Detail)
			}
			if forced := p.Decide(policy.Run{ID: "r", Errors: tt.errs}, policy.History{Force: true}, time.Now()); forced.Action != policy.Retry {
				t.Errorf("forced: %+v", forced)
			}
		})
	}
}
