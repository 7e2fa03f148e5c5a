//go:build slow

package program_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/program"
	"github.com/aep-retrigger/aep-retrigger/local/stackfile"
)

func TestProgramsStopAtASignalAndLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	run, up := build(t, "run"), build(t, "up")
	for name, tt := range map[string]struct {
		binary, after, says string
		signal              syscall.Signal
	}{
		"make run, Ctrl-C":               {run, " 3/", "Stopped after", syscall.SIGINT},
		"make run, SIGTERM":              {run, " 3/", "Stopped after", syscall.SIGTERM},
		"make run, SIGTERM in the build": {run, "Building", "", syscall.SIGTERM},
		"make up, Ctrl-C":                {up, "Ctrl-C ends it", "Stopped: re-triggered", syscall.SIGINT},
		"make up, the terminal closes":   {up, "Ctrl-C ends it", "Stopped: re-triggered", syscall.SIGHUP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "folder", "stack.json")
			s := start(t, tt.binary, stackfile.Variable+"="+file)
			s.until(t, tt.after)
			if _, err := os.Stat(file); tt.binary == up && err != nil {
				t.Errorf("the stack's file: %v", err)
			}
			if err := s.cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			said, code := s.rest()
			if code != program.Interrupted || !strings.Contains(said, tt.says) || !strings.Contains(s.stderr.String(), ": stopped") {
				t.Errorf("exit code %d, %q, %q", code, said, s.stderr.String())
			}
			if _, err := os.Stat(filepath.Dir(file)); err == nil {
				t.Error("the folder of the stack's file is left")
			}
			s.leftNothing(t)
		})
	}
	t.Run("make run, nobody reads on", func(t *testing.T) {
		t.Parallel()
		s := start(t, run)
		s.until(t, " 2/")
		if err := s.pipe.Close(); err != nil {
			t.Fatal(err)
		}
		if _, code := s.rest(); code != program.Unread || s.stderr.Len() > 0 {
			t.Errorf("exit code %d, %q", code, s.stderr.String())
		}
		s.leftNothing(t)
	})
}
