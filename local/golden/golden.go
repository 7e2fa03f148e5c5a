// Package golden compares files that are made from the code with the code. With the flag
// -update of go test it writes them anew.
package golden

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update is a flag of each test that imports the package.
var update = flag.Bool("update", false, "write the files that are made from the code anew") //nolint:gochecknoglobals // flags are

// Check fails the test if the file is not what is wanted. The test of the file's package writes
// it with -update.
func Check(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // a document is for everybody to read
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not what the code says; run go test with -update in this package (-want +got):\n%s", path, diff)
	}
}
