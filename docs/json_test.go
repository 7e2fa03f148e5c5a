package docs_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// TestPoliciesToCopyAreJSON: a person pastes them into AWS. Each statement names who, what and
// what on.
func TestPoliciesToCopyAreJSON(t *testing.T) {
	t.Parallel()
	statements := 0
	for _, name := range []string{"docs/accounts.md", "docs/configuration.md"} {
		for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(read(t, name), -1) {
			if !json.Valid([]byte(block[1])) {
				t.Errorf("%s has a block that is no JSON: %s", name, block[1])
			}
			effects := strings.Count(block[1], `"Effect": "Allow"`)
			for _, part := range []string{`"Action": `, `"Sid": |"Effect": "Allow"`} {
				if n := len(regexp.MustCompile(part).FindAllString(block[1], -1)); effects > 0 && n < effects {
					t.Errorf("%s: %d statements have %s, want %d: %s", name, n, part, effects, block[1])
				}
			}
			statements += effects
		}
	}
	if statements != 8 {
		t.Errorf("%d statements: does this test still find them?", statements)
	}
}
