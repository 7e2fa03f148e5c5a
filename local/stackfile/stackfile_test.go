package stackfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/stackfile"
)

func sample(port string) stackfile.File {
	base := "http://127.0.0.1:" + port
	return stackfile.File{
		Region: "us-east-1", Account: "123456789012", Caller: "arn:aws:iam::123456789012:user/local",
		Endpoints: map[string]string{"dynamodb": base, "sqs": base, "lambda": base}, Outputs: map[string]string{"FunctionName": "retrigger"},
		Console: base + "/",
	}
}

func TestFileOfTheStackIsReadAsItWasWrittenAndOnlyByItsOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".local", "stack.json")
	for _, port := range []string{"1", "2"} { // the second one replaces the first
		if err := stackfile.Write(path, sample(port)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := stackfile.Read(path)
	if diff := cmp.Diff(sample("2"), got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for name, mode := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("the folder has %v, %v", files, err)
	}
}

func TestOnlyTheOwnFileIsRemoved(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), ".local")
	path := filepath.Join(folder, "stack.json")
	if err := stackfile.Remove(path, sample("1")); err != nil {
		t.Errorf("where there is none: %v", err)
	}
	if err := stackfile.Write(path, sample("2")); err != nil {
		t.Fatal(err)
	}
	if err := stackfile.Remove(path, sample("1")); err != nil {
		t.Error(err)
	}
	if _, err := stackfile.Read(path); err != nil {
		t.Errorf("the file of another stack is gone: %v", err)
	}
	if err := stackfile.Remove(path, sample("2")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is left behind: %v", err)
	}
}
