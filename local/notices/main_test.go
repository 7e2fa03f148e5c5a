package main

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// program is a module with a main package that uses a package of another module,
// which lies in the folder dependency.
func program(t *testing.T, dependency map[string]string) (root, binary string) {
	t.Helper()
	root = t.TempDir()
	files := map[string]string{
		"go.mod":                  "module example.com/program\n\ngo 1.26.0\n\nrequire example.com/dependency v1.0.0\n\nreplace example.com/dependency => ./dependency\n",
		"main.go":                 "package main\n\nimport \"example.com/dependency/used\"\n\nfunc main() { used.Do() }\n",
		"dependency/go.mod":       "module example.com/dependency\n\ngo 1.26.0\n",
		"dependency/used/used.go": "package used\n\nfunc Do() {}\n",
		"dependency/idle/idle.go": "package idle\n",
	}
	for name, content := range dependency {
		files["dependency/"+name] = content
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary = filepath.Join(t.TempDir(), "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, ".")
	build.Dir, build.Env = root, append(build.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return root, binary
}

func TestEachModuleInTheFunctionIsNamedWithItsLicense(t *testing.T) {
	t.Parallel()
	binary, err := lambdaenv.Build(t.Context(), "../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got, err := notices(t.Context(), "../..", binary)
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"Go's runtime and standard library " + info.GoVersion}
	for _, dep := range info.Deps {
		names = append(names, dep.Path+" "+dep.Version)
	}
	if len(names) < 10 {
		t.Fatalf("the binary has only these parts: %q", names)
	}
	for _, name := range names {
		if !strings.Contains(string(got), "\n- "+name+"\n") || !strings.Contains(string(got), "\n"+name+": LICENSE") {
			t.Errorf("%s is not named, or not above a license", name)
		}
	}
	for _, words := range []string{"Copyright 2009 The Go Authors", "Apache License", "MIT No Attribution", "AWS SDK for Go"} {
		if !strings.Contains(string(got), words) {
			t.Errorf("the notices lack the words %q", words)
		}
	}
	again, err := notices(t.Context(), "../..", binary)
	if err != nil || string(again) != string(got) {
		t.Errorf("a second call gives other notices (error: %v)", err)
	}
}

func TestModuleWithoutALicenseIsAnError(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"no file":                        {},
		"an empty file":                  {"LICENSE": "\n"},
		"only a notice":                  {"NOTICE": "Copyright Example"},
		"only a Go file of that name":    {"license.go": "package dependency\n"},
		"only in a package that we use":  {"used/LICENSE": "Terms."},
		"only in a package that is idle": {"idle/LICENSE": "Terms."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, binary := program(t, files)
			if got, err := notices(t.Context(), root, binary); err == nil || !strings.Contains(err.Error(), "example.com/dependency has no license text") {
				t.Errorf("error %v and text %q, want an error that names the module", err, got)
			}
		})
	}
}

func TestLicenseBesideAPackageCountsIfThePackageIsInTheBinary(t *testing.T) {
	t.Parallel()
	root, binary := program(t, map[string]string{
		"License.md": "Terms of the module.\r\n", "NOTICE.txt": "A notice.", "used/COPYING": "Terms of the used package.", "idle/LICENSE": "Terms of the idle package.",
	})
	got, err := notices(t.Context(), root, binary)
	if err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]bool{
		"example.com/dependency: License.md\n": true, "Terms of the module.\n": true, "A notice.\n": true,
		"example.com/dependency: used/COPYING\n": true, "Terms of the used package.\n": true,
		"Terms of the idle package.": false, "\r": false,
	} {
		if strings.Contains(string(got), words) != want {
			t.Errorf("that the notices contain %q is %t, want %t", words, !want, want)
		}
	}
}

func TestBinaryOfOtherSourcesIsAnError(t *testing.T) {
	t.Parallel()
	root, binary := program(t, map[string]string{"LICENSE": "Terms."})
	changed := "package main\n\nfunc main() {}\n"
	if err := os.WriteFile(filepath.Join(root, "main.go"), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := notices(t.Context(), root, binary); err == nil || !strings.Contains(err.Error(), "build it again") {
		t.Errorf("error %v, want one that says to build again", err)
	}
}
