package docs_test

import (
	"io/fs"
	"os"
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
	method := regexp.MustCompile(`(?m)^func \(\w* ?\*?(\w+)(?:\[[^]]*\])?\) \w`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		text, err := os.ReadFile(path) //nolint:gosec // a file of the repository
		for _, match := range method.FindAllStringSubmatch(string(text), -1) {
			counts[filepath.ToSlash(filepath.Dir(path))+"."+match[1]]++
		}
		return err
	})
	if err != nil || counts[client] <= 5 {
		t.Fatalf("the client has %d methods, %v: does this test still find them?", counts[client], err)
	}
	for name, n := range counts {
		if n > most && name != client {
			t.Errorf("%s has %d methods, more than %d", name, n, most)
		}
	}
}
