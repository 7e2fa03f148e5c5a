//go:build slow && linux

package flowclient_test

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// TestAProcessThatWasFrozenLosesNoReTrigger: as Lambda freezes an environment. Meanwhile the
// server closes the connections, or they die and nobody tells.
func TestAProcessThatWasFrozenLosesNoReTrigger(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		http2     bool
		meanwhile func(w *wire)
		frozen    time.Duration
	}{
		"HTTP/1.1, closed":                  {false, (*wire).hangUp, 0},
		"HTTP/1.1, dead for long":           {false, (*wire).die, flowclient.IdleTimeout},
		"a server of HTTP/2, closed":        {true, (*wire).hangUp, 0},
		"a server of HTTP/2, dead for long": {true, (*wire).die, flowclient.IdleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, tt.http2)
			process, ask := startCaller(t, w)
			ask()
			for round := range 3 {
				stop(t, process)
				tt.meanwhile(w)
				if round == 0 { // a freeze takes time; the others only close again what is open
					<-time.After(tt.frozen)
				}
				if err := process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				ask()
				if tt.frozen > 0 {
					break
				}
			}
		})
	}
}

// startCaller starts a process that calls over the wire. ask makes it call once, and fails
// the test unless the call succeeds.
func startCaller(t *testing.T, w *wire) (process *os.Process, ask func()) {
	t.Helper()
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	caller := exec.CommandContext(t.Context(), os.Args[0])
	caller.Env = append(os.Environ(), callerOf+"=https://"+w.address, "SSL_CERT_FILE="+trusted)
	caller.Stderr = os.Stderr
	input, err := caller.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := caller.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := caller.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		_ = caller.Wait()
	})
	answers := bufio.NewReader(output)
	return caller.Process, func() {
		t.Helper()
		before := w.answers.count()
		_, _ = fmt.Fprintln(input)
		line, err := answers.ReadString('\n')
		if sent := w.answers.count() - before; err != nil || !strings.HasSuffix(line, "<nil>\n") || sent != 1 {
			t.Fatalf("%s (%v, %d requests were answered)", strings.TrimSpace(line), err, sent)
		}
	}
}

// stop freezes a process, and returns when it stands still.
func stop(t *testing.T, process *os.Process) {
	t.Helper()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("the process has not stopped: %v, %v", status, err)
	}
}
