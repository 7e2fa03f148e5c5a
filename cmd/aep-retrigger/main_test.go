package main

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// functionVariable has the path of the function's binary, for the scripts.
const functionVariable = "TEST_FUNCTION"

// raceVariable is of Go's race detector, with which the command runs in the tests: a program
// with it sleeps a second at its end, unless the variable says otherwise.
const raceVariable = "GORACE"

func TestMain(m *testing.M) {
	testscript.Main(withFunction{m}, map[string]func(){"aep-retrigger": main})
}

// withFunction runs the tests beside a binary of the function, which is the one that is
// deployed.
type withFunction struct{ *testing.M }

// Run builds the function, and runs the tests.
func (m withFunction) Run() int {
	folder, err := os.MkdirTemp("", "aep-retrigger-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system cleans up what is left
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	binary, err := lambdaenv.Build(ctx, "../..", folder)
	if err == nil {
		err = os.Setenv(raceVariable, "atexit_sleep_ms=0")
	}
	if err == nil {
		err = os.Setenv(functionVariable, binary)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.M.Run()
}

// TestCommand plays testdata/script: each file is one thing that a person does. A script
// starts a stack of its own on this machine with the word stack; see [commands].
func TestCommand(t *testing.T) {
	t.Parallel()
	playScripts(t, "testdata/script")
}

// playScripts plays the scripts of a folder.
func playScripts(t *testing.T, folder string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:  folder,
		Cmds: commands(),
		Setup: func(e *testscript.Env) error {
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true") // no credentials must not mean a wait for a machine on EC2
			e.Setenv("HOME", e.WorkDir)
			e.Setenv(raceVariable, os.Getenv(raceVariable))
			e.Values[worldKey{}] = &world{}
			return nil
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}
