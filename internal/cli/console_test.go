package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

// emptyQueues have no message.
type emptyQueues struct{ operate.Queues }

func (emptyQueues) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{}, nil
}

// visited is a person's screen: the visit begins when the address is on it.
type visited struct {
	printed bytes.Buffer
	visit   func(address string)
}

func (v *visited) Write(text []byte) (int, error) {
	n, err := v.printed.Write(text)
	if v.visit != nil {
		visit := v.visit
		v.visit = nil
		visit(v.printed.String())
	}
	return n, err
}

func TestConsoleServesItsPagesUntilCtrlC(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	page := make(chan string, 1)
	var errors bytes.Buffer
	out := &visited{visit: func(printed string) {
		go func() { // as a browser does, while the command serves
			defer stop()
			page <- look(t, strings.TrimSpace(printed))
		}()
	}}
	code := Run(ctx, consoleSystem(out, &errors), []string{"console"})
	if code != ExitInterrupted {
		t.Errorf("the exit code is %d: %s", code, errors.String())
	}
	if text := <-page; !strings.Contains(text, "The function has not done anything yet.") {
		t.Errorf("the page is %q", text)
	}
	if !strings.Contains(errors.String(), "works once") {
		t.Errorf("it says %q", errors.String())
	}
}

func TestConsolePrintsItsAddressAsJSON(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var errors bytes.Buffer
	out := &visited{visit: func(string) { stop() }}
	Run(ctx, consoleSystem(out, &errors), []string{"console", "--output", "json"})
	var printed consoleJSON
	if err := json.Unmarshal(out.printed.Bytes(), &printed); err != nil || !strings.HasPrefix(printed.Address, "http://127.0.0.1:") {
		t.Errorf("it prints %q (%v)", out.printed.String(), err)
	}
}

func TestConsoleRefusesAPortThatIsNone(t *testing.T) {
	t.Parallel()
	for _, port := range []int{-1, 65536} {
		var out, errors bytes.Buffer
		code := Run(t.Context(), consoleSystem(&out, &errors), []string{"console", "--port", strconv.Itoa(port)})
		if code != ExitUsage || !strings.Contains(errors.String(), "from 0 to 65535") || out.Len() > 0 {
			t.Errorf("port %d: exit code %d: %s", port, code, errors.String())
		}
	}
}

func consoleSystem(out, errors io.Writer) System {
	table := memory.New()
	return System{
		In: strings.NewReader(""), Out: out, Err: errors, Version: "test",
		Open: func(context.Context, operate.Target) (*operate.Operator, error) {
			return &operate.Operator{Stack: operate.Stack{Name: "test"}, Table: table, Queues: emptyQueues{}, Now: time.Now}, nil
		},
	}
}

// look opens an address as a browser does, and returns the page that it leads to.
func look(t *testing.T, address string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err.Error()
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		return err.Error()
	}
	response, err := (&http.Client{Jar: jar, Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// TestConsoleServesWhileTheBrowserIsOpen: some systems return from opening an address only when the
// browser is closed.
func TestConsoleServesWhileTheBrowserIsOpen(t *testing.T) {
	folder := t.TempDir()
	seen := filepath.Join(folder, "seen")
	script := "#!/bin/sh\nwhile [ -e \"$0\" ] && [ ! -e '" + seen + "' ]; do sleep 0.05; done\n" // the folder goes with the test
	for _, name := range []string{"xdg-open", "open"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var errors bytes.Buffer
	page := make(chan string, 1)
	out := &visited{visit: func(printed string) {
		go func() {
			defer stop()
			page <- look(t, strings.TrimSpace(printed))
		}()
	}}
	if code := Run(ctx, consoleSystem(out, &errors), []string{"console", "--open"}); code != ExitInterrupted {
		t.Errorf("the exit code is %d", code)
	}
	text := <-page
	if err := os.WriteFile(seen, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "The function has not done anything yet.") {
		t.Errorf("the page is %q", text)
	}
}
