// Package emulator starts what emulators/install installs, on free ports of loopback.
package emulator

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// startTime is how long an emulator may take until it listens, on a machine under load.
const startTime = 2 * time.Minute

// Start starts a program with dir as its working folder, and returns when it listens at the
// address. Stop ends it.
func Start(ctx context.Context, dir, address, program string, args ...string) (stop func(), err error) {
	var output bytes.Buffer
	cmd := exec.Command(program, args...) // it outlives the context, which is that of its start
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (emulators/install installs it)", err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	waiting, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := lambdaenv.WaitForPort(waiting, address, nil); err != nil {
		stop()
		return nil, fmt.Errorf("%s: %w\n%s", program, err, output.String())
	}
	return stop, nil
}

// StartMoto starts moto's server from the folder .tools, and returns its address,
// "127.0.0.1:port".
func StartMoto(ctx context.Context, tools, dir string) (address string, stop func(), err error) {
	address, port, err := FreePort()
	if err != nil {
		return "", nil, err
	}
	stop, err = Start(ctx, dir, address, filepath.Join(tools, "moto/bin/moto_server"), "-H", "127.0.0.1", "-p", port)
	return address, stop, err
}

// FreePort returns an address of loopback at which nothing listens, and its port.
func FreePort() (address, port string, err error) {
	if address, err = loopback.FreeAddress(); err != nil {
		return "", "", err
	}
	_, port, err = net.SplitHostPort(address)
	return address, port, err
}

// OneAtATime passes calls on to an address one after the other. The transactions of
// moto's DynamoDB are not isolated: one that fails puts the whole table back as it
// was when it began, and so undoes what others have committed meanwhile.
func OneAtATime(address string) (baseURL string, stop func(), err error) {
	var mu sync.Mutex
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) } // also of canceled calls
	return loopback.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
}
