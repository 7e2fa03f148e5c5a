package world

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build compiles a program of the repository for this machine, with the flags of the
// deployment (.ci/build), into a folder, and returns its path. Root is the root of the module,
// and of the program's folder below it: "functions/retrigger" or "bench/floor".
func Build(ctx context.Context, root, of, dir string) (string, error) {
	binary := filepath.Join(dir, filepath.Base(of))
	build := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc,nethttpomithttp2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", binary, "./"+of)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", of, err, out)
	}
	return binary, nil
}
