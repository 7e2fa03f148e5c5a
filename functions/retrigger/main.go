// Command retrigger is the Lambda function: it retries failed dataflow runs of
// Adobe Experience Platform.
//
// main only wires. The way of an event is package handler (payload in, answer out),
// package event (payload to requests), package retry (the path of one request), package
// flowclient (the call).
package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/cpus"
	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/dataflow"
	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/handler"
	"github.com/aep-retrigger/aep-retrigger/internal/headstart"
	"github.com/aep-retrigger/aep-retrigger/internal/keepalive"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/roots"
	"github.com/aep-retrigger/aep-retrigger/internal/status"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/internal/unrecognized"
	"github.com/aep-retrigger/aep-retrigger/pkg/dialahead"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// version is the version and commit of this binary, for example 0.1.0+1a2b3c4d5e6f. Only
// the linker sets it (.ci/build, -X main.version), which needs a variable. We don't take
// it from Go's build information: whether a commit stands there depends on the flags
// and on the files beside the sources.
var version = "dev"

// product is the function's name in the User-Agent of its calls to Adobe and AWS.
const product = "aep-retrigger"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" { // for whoever holds a binary; Lambda passes no argument
		_, _ = io.WriteString(os.Stdout, version+"\n")
		return
	}
	ctx := context.Background()
	if n := cpus.Of(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")); n > 0 && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(n)
	}
	roots.OnceOnLambda(roots.Process())
	function, start, err := newHandler(ctx)
	if err != nil {
		telemetry.NewLogger(os.Stdout, slog.LevelInfo).Error("the function can't start", "error", err.Error())
		os.Exit(1)
	}
	start.Run(ctx)
	lambda.Start(function)
}

func newHandler(ctx context.Context) (*handler.Handler, headstart.Start, error) {
	cfg, strays, err := config.Load(os.Environ())
	log := telemetry.NewLogger(os.Stdout, cfg.LogLevel)
	warn(log, strays)
	if err != nil {
		return nil, headstart.Start{}, err
	}
	calls := append(keepalive.Options(), awsmiddleware.AddUserAgentKeyValue(product, version))
	amazon, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithAPIOptions(calls), awsconfig.WithHTTPClient(keepalive.Client()))
	if err != nil {
		return nil, headstart.Start{}, err
	}
	table := dynamo.New(dynamodb.NewFromConfig(amazon), cfg.LedgerTable)
	ims := &http.Client{Transport: flowclient.NewTransport()}
	function, start := wire(cfg, amazon, table, newLedger(cfg, table), os.Stdout, flowclient.WithIMSHTTPClient(ims))
	if !cfg.Paused {
		start.ConnectIMS = func(ctx context.Context) error { return dialahead.Open(ctx, ims, cfg.IMSURL) }
	}
	start.Rehearse = func(ctx context.Context) error { return rehearse(ctx, cfg, amazon) }
	log.Info("the function starts", "version", version, "go", runtime.Version(), "observe", cfg.Observe)
	return function, start, nil
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
	var options []func(*ledger.Ledger)
	if cfg.NoticeBus != "" {
		options = append(options, ledger.KeepNews)
	}
	return ledger.New(table, cfg.LedgerTTL, time.Now, options...).WithFaultInterval(cfg.FaultInterval)
}

// share is the part of the limits on calls that one environment may use: they are divided
// among those that work on the queue. One for a sweep or a person goes over by its share.
func share(cfg config.Config) throttle.Limits {
	n := max(cfg.QueueConcurrency, 1)
	return throttle.Limits{PerSecond: float64(cfg.CallsPerSecond) / float64(n), AtOnce: cfg.ConcurrentCalls / n, Processes: n}
}

// wire puts the parts together: the function, and its start. The ledger is in the table, too.
func wire(cfg config.Config, amazon aws.Config, table store.Table, entries retry.Ledger, out io.Writer, adobe ...flowclient.Option) (*handler.Handler, headstart.Start) {
	queues := sqs.NewFromConfig(amazon)
	log := telemetry.NewLogger(out, cfg.LogLevel)
	limits := throttle.New(table, share(cfg), cfg.Paused, time.Now)
	bus := notice.NewBus(cfg.NoticeBus, func() notice.EventBridge { return eventbridge.NewFromConfig(amazon) }, time.Now)
	calls := new(telemetry.Samples)
	adobe = append(slices.Clip(adobe), flowclient.WithObserver(func(_ string, took time.Duration) { calls.Add(float64(took.Microseconds()) / 1000) }))
	accounts := notice.Watch(
		credentials.NewStore(secretsmanager.NewFromConfig(amazon), cfg.SecretIDs, clients(cfg, limits, adobe), cfg.SecretCacheTTL, time.Now),
		bus, table, time.Now, log,
	)
	parts := handler.Parts{
		Accounts: accounts, Throttle: limits, Shapes: unrecognized.New(table, time.Now),
		Metrics: telemetry.NewMetrics(out, os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), time.Now), Adobe: calls, Log: log,
		Concurrency: cfg.MaxConcurrentRuns, CallTimeout: cfg.CallTimeout,
	}
	var waiting retry.Requests // nil without a queue
	if cfg.QueueURL != "" {
		queue := requestqueue.New(queues, cfg.QueueURL)
		parts.Requests, waiting = queue, queue
	}
	rules := retry.Rules{
		Policy:         &policy.Policy{Delays: cfg.RetryDelays, Rules: cfg.RetryPolicy, MaxAge: cfg.MaxRunAge},
		Breaker:        ledger.Breaker{Threshold: cfg.BreakerThreshold, Cooldown: cfg.BreakerCooldown},
		ReconcileAfter: cfg.ReconcileAfter, ExtraSendAfter: cfg.ExtraSendAfter, NoExtraSend: !cfg.ExtraSend, FlowBudget: cfg.FlowBudget, BudgetWindow: cfg.BudgetWindow,
	}
	episodes := ledger.NewEpisodes(newLedger(cfg, table))
	var teller *retry.Teller // nil without a bus
	if bus.Enabled() {
		teller = &retry.Teller{Notices: bus, Episodes: episodes, Now: time.Now, Log: log}
	}
	engine := retry.New(accounts, entries, table, limits, deadletter.NewQueue(queues, cfg.DeadLetterQueueURL), waiting, retry.Options{
		Rules: rules, OrgBudget: cfg.OrgBudget, Episodes: episodes, Teller: teller,
		DefaultSandbox: cfg.DefaultSandbox, CallTimeout: cfg.CallTimeout, Observe: cfg.Observe, Paused: cfg.Paused, Version: version, Now: time.Now, Log: log,
	})
	parts.Engine, parts.Commands = engine, retry.NewCommands(engine, ledger.NewPeople(newLedger(cfg, table)))
	parts.Status = &status.Reporter{Base: base(cfg), Accounts: accounts, Table: table}
	parts.Dataflows = &dataflow.Finder{Sandboxes: append([]string{cfg.DefaultSandbox}, cfg.SweepSandboxes...)}
	deadLetters := handler.NewDeadLetters(engine, log)
	parts.Sweeper = sweep.New(accounts, entries, table, waiting, limits, deadLetters.Sweep, deadLetters.Run, sweep.Options{
		Since: cfg.SweepSince, Limit: cfg.SweepLimit, Sandboxes: cfg.SweepSandboxes, DefaultSandbox: cfg.DefaultSandbox,
		Rules: rules, Pace: sweep.Pace(cfg.OrgBudget, cfg.BudgetWindow), CallTimeout: cfg.CallTimeout, Observe: cfg.Observe, Succeed: engine.Succeed, Now: time.Now, Log: log, Episodes: episodes, Teller: teller,
	})
	start := headstart.Start{
		Accounts: accounts, Pauses: limits, Observe: cfg.Observe, Log: log,
		ConnectQueues: func(ctx context.Context) error { return requestqueue.Connect(ctx, queues, cfg.DeadLetterQueueURL) },
	}
	return handler.New(parts), start
}

// clients makes the Flow Service client of a credential as it is configured, with
// the limits on its calls (nil for none).
func clients(cfg config.Config, limits *throttle.Throttle, more []flowclient.Option) credentials.NewClient {
	options := append([]flowclient.Option{
		flowclient.WithBaseURL(cfg.FlowServiceURL), flowclient.WithIMSURL(cfg.IMSURL), flowclient.WithOp(cfg.RetriggerOp),
		flowclient.WithAcceptedOp(new(flowclient.AcceptedOp)), // one org finds out for all
		flowclient.WithCallTimeout(cfg.CallTimeout), flowclient.WithUserAgent(product + "/" + version),
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
