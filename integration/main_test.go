// Package integration tests the function from outside: the binary that is
// deployed, as its own process, with events in, and HTTP and AWS calls out.
//
// The suite runs on the embedded default, and with TEST_EMULATORS=1 on
// independent implementations as well: moto, ElasticMQ, DynamoDB Local and the
// official Runtime Interface Emulator, which emulators/install puts into .tools.
// One that is missing is a failure.
package integration

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// backend is an implementation of AWS to run on.
type backend struct {
	name    string
	options stack.Options
}

// emulated reports whether AWS's clock can't be moved.
func (b backend) emulated() bool { return b.options.SQSEndpoint != "" }

// suite is what TestMain prepares: the binary and the backends.
type suite struct {
	binary   string
	backends []backend
	used     usedActions
}

var prepared suite //nolint:gochecknoglobals // TestMain has no other way to hand something on

func TestMain(m *testing.M) {
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	os.Exit(code)
}

func runSuite(m *testing.M) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "integration-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system cleans up what is left
	if prepared.binary, err = lambdaenv.Build(ctx, "..", dir); err != nil {
		return 0, err
	}
	prepared.backends = []backend{{name: "embedded"}}
	if os.Getenv("TEST_EMULATORS") == "1" {
		stop, err := startEmulators(ctx, dir)
		defer stop()
		if err != nil {
			return 0, err
		}
	}
	code := m.Run()
	if whole := flag.Lookup("test.run").Value.String() + flag.Lookup("test.skip").Value.String(); code != 0 || whole != "" || flag.Lookup("test.list").Value.String() != "" {
		return code, nil
	}
	return code, prepared.used.equalThePolicies()
}

// startEmulators starts what emulators/install installed, on free ports of
// loopback, and adds the backends.
func startEmulators(ctx context.Context, dir string) (stop func(), err error) {
	var processes []*exec.Cmd
	var proxy *httptest.Server
	stop = func() {
		if proxy != nil {
			proxy.Close()
		}
		for _, p := range processes {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	}
	tools, err := filepath.Abs("../.tools")
	if err != nil {
		return stop, err
	}
	start := func(address, name string, args ...string) error {
		var output bytes.Buffer
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("%w (emulators/install installs it)", err)
		}
		processes = append(processes, cmd)
		waiting, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		if err := lambdaenv.WaitForPort(waiting, address, nil); err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			processes = processes[:len(processes)-1]
			return fmt.Errorf("%s: %w\n%s", name, err, output.String())
		}
		return nil
	}
	moto, motoPort, err := freePort()
	if err != nil {
		return stop, err
	}
	if err := start(moto, filepath.Join(tools, "moto/bin/moto_server"), "-H", "127.0.0.1", "-p", motoPort); err != nil {
		return stop, err
	}
	proxy = oneAtATime(moto)
	elastic, elasticPort, err := freePort()
	if err != nil {
		return stop, err
	}
	config := filepath.Join(dir, "elasticmq.conf")
	text := fmt.Sprintf("node-address { protocol = http, host = \"127.0.0.1\", port = %s, context-path = \"\" }\n"+
		"rest-sqs { enabled = true, bind-port = %s, bind-hostname = \"127.0.0.1\", sqs-limits = strict }\nrest-stats { enabled = false }\n", elasticPort, elasticPort)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return stop, err
	}
	if err := start(elastic, "java", "-Dconfig.file="+config, "-cp", tools+"/elasticmq/*", "org.elasticmq.server.Main"); err != nil {
		return stop, err
	}
	dynamo, dynamoPort, err := freePort()
	if err != nil {
		return stop, err
	}
	err = start(dynamo, "java", "-Djava.io.tmpdir="+dir, "-cp", tools+"/dynamodb-local/*", "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
		"-inMemory", "-sharedDb", "-disableTelemetry", "-port", dynamoPort)
	if err != nil {
		return stop, err
	}
	rie := filepath.Join(tools, "aws-lambda-rie")
	if _, err := os.Stat(rie); err != nil {
		return stop, fmt.Errorf("%w (emulators/install installs it)", err)
	}
	prepared.backends = append(prepared.backends,
		backend{name: "moto+RIE", options: stack.Options{
			SQSEndpoint: "http://" + moto, SecretsEndpoint: "http://" + moto, DynamoDBEndpoint: proxy.URL, RIE: rie,
		}},
		backend{name: "ElasticMQ+DynamoDB Local", options: stack.Options{
			SQSEndpoint: "http://" + elastic, SecretsEndpoint: "http://" + moto, DynamoDBEndpoint: "http://" + dynamo,
		}},
	)
	return stop, nil
}

// oneAtATime passes calls on to an address one after the other. The transactions of
// moto's DynamoDB are not isolated: one that fails puts the whole table back as it
// was when it began, and so undoes what others have committed meanwhile.
func oneAtATime(address string) *httptest.Server {
	var mu sync.Mutex
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) } // also of canceled calls
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
}

func freePort() (address, port string, err error) {
	if address, err = loopback.FreeAddress(); err != nil {
		return "", "", err
	}
	_, port, err = net.SplitHostPort(address)
	return address, port, err
}

// start starts a stack on a backend. When the test ends, everything that the
// function wrote is searched for secrets and tokens.
func start(t *testing.T, b backend, change ...func(*stack.Options)) *stack.Stack {
	t.Helper()
	o := b.options
	o.Binary = prepared.binary
	for _, c := range change {
		c(&o)
	}
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		noSecrets(t, "the log", s.Log.String())
		prepared.used.add(stack.Actions(s))
		if t.Failed() {
			t.Logf("the function's log:\n%s", s.Log)
		}
		s.Close()
	})
	return s
}

func noSecrets(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{flowsim.TokenPrefix, stack.ClientSecret} {
		if strings.Contains(text, secret) {
			t.Errorf("%s contains a secret or token (%s…)", where, secret)
		}
	}
}

// everywhere runs a test on each backend.
func everywhere(t *testing.T, test func(t *testing.T, b backend)) {
	t.Helper()
	for _, b := range prepared.backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}
