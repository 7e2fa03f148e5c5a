package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

const someVersion = "0.1.0+0123456789ab"

func TestArchivesOfTheSameFilesAreEqual(t *testing.T) {
	t.Parallel()
	at := time.Unix(1780000001, 0)
	for archive, binary := range map[string]string{"aep-retrigger-function_0.1.0_arm64.zip": "bootstrap", "aep-retrigger_0.1.0_linux_amd64.tar.gz": "aep-retrigger"} {
		t.Run(archive, func(t *testing.T) {
			t.Parallel()
			files := []file{{licenseFile, []byte("Terms.\n")}, {noticesFile, []byte("- a\n")}, {binary, bytes.Repeat([]byte("program"), 10000)}}
			one, err := archiveOf(archive, at.UTC(), files)
			if err != nil {
				t.Fatal(err)
			}
			other, err := archiveOf(archive, at.UTC(), files)
			if err != nil || !bytes.Equal(one, other) {
				t.Errorf("a second archive differs (error: %v)", err)
			}
			found, err := readArchive(archive, one)
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for i, f := range found {
				got = append(got, f.name+" "+f.permissions.String()+" "+f.at.Format(time.RFC3339)+" "+strconv.FormatBool(bytes.Equal(f.content, files[i].content)))
			}
			for name, permissions := range map[string]string{licenseFile: "-rw-r--r--", noticesFile: "-rw-r--r--", binary: "-rwxr-xr-x"} {
				want = append(want, name+" "+permissions+" 2026-05-28T20:26:41Z true")
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
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
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "aep-retrigger_0.1.0_linux_amd64.tar.gz"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := pack(someVersion, time.Unix(0, 0), "", folder, filepath.Join(t.TempDir(), "release"))
	if err == nil || !strings.Contains(err.Error(), "no binary") {
		t.Errorf("error %v", err)
	}
}
