//go:build cloud

package cloud

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"
)

// TestSamBuildMakesTheBinaryOfMakeBuild for each architecture, byte for byte, with the same
// files beside it.
func TestSamBuildMakesTheBinaryOfMakeBuild(t *testing.T) {
	t.Parallel()
	machines := map[string]elf.Machine{"arm64": elf.EM_AARCH64, "amd64": elf.EM_X86_64}
	for goarch, architecture := range samArchitectures() {
		t.Run(architecture, func(t *testing.T) {
			t.Parallel()
			ours, sams := t.TempDir(), filepath.Join(built(architecture), "RetriggerFunction")
			must(t, command(t.Context(), root+"/.ci/build", goarch, ours)) // what make build runs
			files, err := os.ReadDir(sams)
			must(t, err)
			if len(files) != 3 {
				t.Errorf("sam build made %d files, want three: %v", len(files), files)
			}
			for _, file := range files {
				got, err := os.ReadFile(filepath.Join(sams, file.Name()))
				must(t, err)
				want, err := os.ReadFile(filepath.Join(ours, file.Name()))
				must(t, err)
				if !bytes.Equal(got, want) {
					t.Errorf("%s of sam build is not that of make build", file.Name())
				}
			}
			binary := filepath.Join(sams, "bootstrap")
			image, err := elf.Open(binary)
			must(t, err)
			defer image.Close() //nolint:errcheck // read only
			info, err := buildinfo.ReadFile(binary)
			must(t, err)
			if setting := setting(info, "GOARCH"); image.Machine != machines[goarch] || setting != goarch {
				t.Errorf("the binary is for %s, and says that it is for %q; want %s", image.Machine, setting, goarch)
			}
		})
	}
}

func setting(info *buildinfo.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// TestTheUploadedBinaryCanBeRun: The archive keeps the permissions, which Lambda needs.
func TestTheUploadedBinaryCanBeRun(t *testing.T) {
	t.Parallel()
	uploaded, err := os.Stat(prepared.binary)
	must(t, err)
	if uploaded.Mode().Perm()&0o555 != 0o555 {
		t.Errorf("the mode of bootstrap in the archive is %s; Lambda runs it as another user", uploaded.Mode())
	}
}
