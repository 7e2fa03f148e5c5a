//go:build slow

package world_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/bench/world"
)

// built are the paths of the programs, which TestMain builds once.
var built = map[string]string{"functions/retrigger": "", "bench/floor": ""} //nolint:gochecknoglobals // TestMain has no other way to hand something on

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/world:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "bench-world-test")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is temporary
	for of := range built {
		if built[of], err = world.Build(context.Background(), "../..", of, dir); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}
