package world

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// Build compiles a program of the repository for this machine, with the flags of the
// deployment (.ci/build), into a folder, and returns its path. Root is the root of the module,
// and of the program's folder below it: "functions/retrigger" or "bench/floor".
func Build(ctx context.Context, root, of, dir string) (string, error) {
	binary := filepath.Join(dir, filepath.Base(of))
	if err := lambdaenv.BuildProgram(ctx, root, of, binary); err != nil {
		return "", fmt.Errorf("build %s: %w", of, err)
	}
	return binary, nil
}
