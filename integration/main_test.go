// Package integration tests the function from outside: the binary that is
// deployed, as its own process, with events in, and HTTP and AWS calls out.
//
// The suite runs on the embedded default, and with TEST_EMULATORS=1 on
// independent implementations as well: moto, ElasticMQ, DynamoDB Local and the
// official Runtime Interface Emulator, which emulators/install puts into .tools.
// One that is missing is a failure.
package integration

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/emulator"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
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
	var stops []func()
	stop = func() {
		for _, end := range slices.Backward(stops) {
			end()
		}
	}
	tools, err := filepath.Abs("../.tools")
	if err != nil {
		return stop, err
	}
	add := func(end func(), err error) error {
		if err == nil {
			stops = append(stops, end)
		}
		return err
	}
	moto, end, err := emulator.StartMoto(ctx, tools, dir)
	if err := add(end, err); err != nil {
		return stop, err
	}
	proxy, end, err := emulator.OneAtATime(moto)
	if err := add(end, err); err != nil {
		return stop, err
	}
	elastic, elasticPort, err := emulator.FreePort()
	if err != nil {
		return stop, err
	}
	config := filepath.Join(dir, "elasticmq.conf")
	text := fmt.Sprintf("node-address { protocol = http, host = \"127.0.0.1\", port = %s, context-path = \"\" }\n"+
		"rest-sqs { enabled = true, bind-port = %s, bind-hostname = \"127.0.0.1\", sqs-limits = strict }\nrest-stats { enabled = false }\n", elasticPort, elasticPort)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return stop, err
	}
	if err := add(emulator.Start(ctx, dir, elastic, "java", "-Dconfig.file="+config, "-cp", tools+"/elasticmq/*", "org.elasticmq.server.Main")); err != nil {
		return stop, err
	}
	dynamo, dynamoPort, err := emulator.FreePort()
	if err != nil {
		return stop, err
	}
	err = add(emulator.Start(ctx, dir, dynamo, "java", "-Djava.io.tmpdir="+dir, "-cp", tools+"/dynamodb-local/*", "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
		"-inMemory", "-sharedDb", "-disableTelemetry", "-port", dynamoPort))
	if err != nil {
		return stop, err
	}
	rie := filepath.Join(tools, "aws-lambda-rie")
	if _, err := os.Stat(rie); err != nil {
		return stop, fmt.Errorf("%w (emulators/install installs it)", err)
	}
	prepared.backends = append(prepared.backends,
		backend{name: "moto+RIE", options: stack.Options{
			SQSEndpoint: "http://" + moto, SecretsEndpoint: "http://" + moto, DynamoDBEndpoint: proxy, RIE: rie,
		}},
		backend{name: "ElasticMQ+DynamoDB Local", options: stack.Options{
			SQSEndpoint: "http://" + elastic, SecretsEndpoint: "http://" + moto, DynamoDBEndpoint: "http://" + dynamo,
		}},
	)
	return stop, nil
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
