package docs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNoTypeHasMoreThanTwentyMethods, of the product or of its tests, but the client of Flow
// Service, which has one for each call: a larger type is several. Those of an embedded type
// count for that type.
func TestNoTypeHasMoreThanTwentyMethods(t *testing.T) {
	t.Parallel()
	const most, client = 20, root + "/pkg/flowclient.Client"
	counts := map[string]int{}
	method := regexp.MustCompile(`^func \(\w* ?\*?(\w+)(?:\[[^]]*\])?\) \w`)
	for path, text := range goFiles(t, ".go") {
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "func (") { // the expression would take a second for all lines
				continue
			}
			if match := method.FindStringSubmatch(line); match != nil {
				counts[filepath.ToSlash(filepath.Dir(path))+"."+match[1]]++
			}
		}
	}
	if counts[client] <= 5 {
		t.Fatalf("the client has %d methods: does this test still find them?", counts[client])
	}
	for name, n := range counts {
		if n > most && name != client {
			t.Errorf("%s has %d methods, more than %d", name, n, most)
		}
	}
}
