package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ownBinary is the binary of this test: one with modules in it.
func ownBinary(t *testing.T) []byte {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// built writes what .ci/release has built for one archive, with permissions of its own.
func built(t *testing.T, archive, binary string, mode os.FileMode) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, archive), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{binary: ownBinary(t), licenseFile: []byte("Terms.\n"), noticesFile: []byte("- a\n")} {
		if err := os.WriteFile(filepath.Join(folder, archive, name), content, mode); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

const someVersion = "0.1.0+0123456789ab"

func release(t *testing.T, archive, binary string, mode os.FileMode) map[string][]byte {
	t.Helper()
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "release")
	if err := pack(someVersion, time.Unix(1780000001, 0).UTC(), string(template), built(t, archive, binary, mode), out); err != nil {
		t.Fatal(err)
	}
	files, err := readFolder(out)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestArchivesAreEqualWhoeverPacksThem(t *testing.T) {
	t.Parallel()
	for archive, binary := range map[string]string{
		"aep-retrigger-function_0.1.0_arm64.zip": "bootstrap", "aep-retrigger_0.1.0_linux_amd64.tar.gz": "aep-retrigger",
	} {
		t.Run(archive, func(t *testing.T) {
			t.Parallel()
			one, other := release(t, archive, binary, 0o600), release(t, archive, binary, 0o755)
			if len(one) < 3 || len(one) != len(other) {
				t.Fatalf("%d files and %d", len(one), len(other))
			}
			for name := range one {
				if !bytes.Equal(one[name], other[name]) {
					t.Errorf("%s differs", name)
				}
			}
			found, err := readArchive(archive, one[archive])
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, f := range found {
				got[f.name] = f.permissions.String() + " " + f.at.Format(time.RFC3339)
			}
			if diff := cmp.Diff(map[string]string{
				binary: "-rwxr-xr-x 2026-05-28T20:26:41Z", licenseFile: "-rw-r--r-- 2026-05-28T20:26:41Z", noticesFile: "-rw-r--r-- 2026-05-28T20:26:41Z",
			}, got); diff != "" {
				t.Errorf("the archive has (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReleaseIsNotMixedWithAnOlderOne(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "old.zip"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := pack(someVersion, time.Unix(0, 0), "", t.TempDir(), out)
	if err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("error %v", err)
	}
}

func TestFolderWithoutABinaryMakesNoArchive(t *testing.T) {
	t.Parallel()
	folder := built(t, "aep-retrigger_0.1.0_linux_amd64.tar.gz", "bootstraps", 0o600)
	err := pack(someVersion, time.Unix(0, 0), "", folder, filepath.Join(t.TempDir(), "release"))
	if err == nil || !strings.Contains(err.Error(), "no binary") {
		t.Errorf("error %v", err)
	}
}
