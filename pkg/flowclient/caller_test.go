package flowclient_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// callerOf is the variable that makes a caller of the test binary: a process that sends a
// re-trigger to the server at the variable's URL for each line of its input, and writes
// what came of it.
const callerOf = "FLOWCLIENT_CALLER_OF"

func TestMain(m *testing.M) {
	if address := os.Getenv(callerOf); address != "" {
		call(address)
		return
	}
	goleak.VerifyTestMain(m)
}

// call has a client as it is by default.
func call(address string) {
	client, err := flowclient.New(org, apiKey, &tokens{left: []string{oneToken}}, flowclient.WithBaseURL(address))
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)
		return
	}
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		_, err := client.Retrigger(context.Background(), sandbox, runID)
		_, _ = fmt.Fprintln(os.Stdout, "the re-trigger's error:", err)
	}
}
