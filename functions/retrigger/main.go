// Command retrigger is the Lambda function: it retries failed dataflow runs of
// Adobe Experience Platform.
//
// main only wires. The way of an event is [Handler.Invoke], package event
// (payload to requests), package retrigger (the path of one request), package
// flowclient (the call).
package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/internal/unrecognized"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// version is the version and commit of this binary, for example 0.1.0+1a2b3c4d5e6f. Only
// the linker sets it (.ci/build, -X main.version), which needs a variable. We don't take
// it from Go's build information: whether a commit stands there depends on the flags
// and on the files beside the sources.
var version = "dev"

func main() {
	handler, err := newHandler(context.Background())
	if err != nil {
		telemetry.NewLogger(os.Stdout, slog.LevelInfo).Error("the function can't start", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(handler)
}

func newHandler(ctx context.Context) (*Handler, error) {
	cfg, strays, err := config.Load(os.Environ())
	warn(telemetry.NewLogger(os.Stdout, cfg.LogLevel), strays)
	if err != nil {
		return nil, err
	}
	amazon, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	table := dynamo.New(dynamodb.NewFromConfig(amazon), cfg.LedgerTable)
	handler := wire(cfg, amazon, table, newLedger(cfg, table), os.Stdout)
	handler.log.Info("the function starts", "version", version, "go", runtime.Version())
	return handler, nil
}

// warn logs the variables whose names only look like ours. Their values stay out of the
// log: one may be a secret.
func warn(log *slog.Logger, strays []config.Stray) {
	for _, s := range strays {
		log.Warn("a variable of the environment looks like one of the function's and is not read: is it misspelled?", "variable", s.Name, "meant", s.Meant)
	}
}

// newLedger returns the ledger in a table.
func newLedger(cfg config.Config, table store.Table) *ledger.Ledger {
	return ledger.New(table, cfg.LedgerTTL, time.Now).WithBudget(ledger.Budget{Window: cfg.BudgetWindow, Flow: cfg.FlowBudget, Org: cfg.OrgBudget})
}

// share is the part of the limits on calls that one environment may use.
func share(cfg config.Config) throttle.Limits {
	n := max(cfg.ReservedConcurrency, 1)
	return throttle.Limits{PerSecond: float64(cfg.CallsPerSecond) / float64(n), AtOnce: cfg.ConcurrentCalls / n, Processes: n}
}

// wire puts the parts together. The ledger is in the table, too.
func wire(cfg config.Config, amazon aws.Config, table store.Table, entries retrigger.Ledger, out io.Writer, adobe ...flowclient.Option) *Handler {
	queues := sqs.NewFromConfig(amazon)
	log := telemetry.NewLogger(out, cfg.LogLevel)
	h := &Handler{
		shapes:  unrecognized.New(table, time.Now),
		metrics: telemetry.NewMetrics(out, os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), time.Now), log: log, concurrency: cfg.MaxConcurrentRuns,
	}
	var waiting retrigger.Requests // nil without a queue
	if cfg.QueueURL != "" {
		h.requests = requestqueue.New(queues, cfg.QueueURL)
		waiting = h.requests
	}
	h.throttle = throttle.New(table, share(cfg), cfg.Paused, time.Now)
	accounts := credentials.NewStore(secretsmanager.NewFromConfig(amazon), cfg.SecretIDs, clients(cfg, h.throttle, adobe), cfg.SecretCacheTTL, time.Now)
	h.accounts = accounts
	rules := &policy.Policy{Delays: cfg.RetryDelays, Rules: cfg.RetryPolicy, MaxAge: cfg.MaxRunAge}
	h.service = retrigger.New(accounts, entries, h.throttle, deadletter.NewQueue(queues, cfg.DeadLetterQueueURL), waiting, retrigger.Options{
		Policy:           rules,
		BreakerThreshold: cfg.BreakerThreshold, BreakerCooldown: cfg.BreakerCooldown,
		ReconcileAfter: cfg.ReconcileAfter, DefaultSandbox: cfg.DefaultSandbox, CallTimeout: cfg.CallTimeout, Now: time.Now, Log: log,
	})
	h.sweeper = sweep.New(accounts, entries, table, waiting, h.throttle, h.giveUpSweep, h.giveUpRun, sweep.Options{
		Since: cfg.SweepSince, Limit: cfg.SweepLimit, Sandboxes: cfg.SweepSandboxes, DefaultSandbox: cfg.DefaultSandbox,
		Policy: rules, Pace: sweep.Pace(cfg.OrgBudget, cfg.BudgetWindow), CallTimeout: cfg.CallTimeout, Now: time.Now, Log: log,
	})
	return h
}

// clients makes the Flow Service client of a credential as it is configured, with
// the limits on its calls (nil for none).
func clients(cfg config.Config, limits *throttle.Throttle, more []flowclient.Option) credentials.NewClient {
	options := append([]flowclient.Option{
		flowclient.WithBaseURL(cfg.FlowServiceURL), flowclient.WithIMSURL(cfg.IMSURL), flowclient.WithOp(cfg.RetriggerOp),
		flowclient.WithAcceptedOp(new(flowclient.AcceptedOp)), // one org finds out for all
		flowclient.WithCallTimeout(cfg.CallTimeout), flowclient.WithUserAgent("aep-retrigger/" + version),
	}, more...)
	return func(orgID string, c flowclient.Credentials) (*flowclient.Client, error) {
		tokens, err := flowclient.NewIMS(c, options...)
		if err != nil {
			return nil, err
		}
		own := slices.Clip(options)
		if limits != nil {
			own = append(own, flowclient.WithLimiter(limits.Org(orgID)))
		}
		return flowclient.New(orgID, c.ClientID, tokens, own...)
	}
}
