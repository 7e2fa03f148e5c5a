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
	"runtime/debug"
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
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

func main() {
	handler, err := newHandler(context.Background())
	if err != nil {
		telemetry.NewLogger(os.Stdout, slog.LevelInfo).Error("the function can't start", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(handler)
}

func newHandler(ctx context.Context) (*Handler, error) {
	cfg, err := config.Load(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	amazon, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	store := ledger.NewTable(dynamodb.NewFromConfig(amazon), cfg.LedgerTable)
	return wire(cfg, amazon, ledger.New(store, cfg.LedgerTTL, time.Now), os.Stdout), nil
}

// wire puts the parts together.
func wire(cfg config.Config, amazon aws.Config, memory retrigger.Ledger, out io.Writer, adobe ...flowclient.Option) *Handler {
	queues := sqs.NewFromConfig(amazon)
	log := telemetry.NewLogger(out, cfg.LogLevel)
	h := &Handler{
		metrics: telemetry.NewMetrics(out, os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), time.Now), log: log, concurrency: cfg.MaxConcurrentRuns,
	}
	var waiting retrigger.Requests // nil without a queue
	if cfg.QueueURL != "" {
		h.requests = requestqueue.New(queues, cfg.QueueURL)
		waiting = h.requests
	}
	accounts := credentials.NewStore(secretsmanager.NewFromConfig(amazon), cfg.SecretIDs, clients(cfg, adobe), cfg.SecretCacheTTL, time.Now)
	h.service = retrigger.New(accounts, memory, deadletter.NewQueue(queues, cfg.DeadLetterQueueURL), waiting, retrigger.Options{
		Policy:           &policy.Policy{Delays: cfg.RetryDelays, Rules: cfg.RetryPolicy, MaxAge: cfg.MaxRunAge},
		BreakerThreshold: cfg.BreakerThreshold, BreakerCooldown: cfg.BreakerCooldown,
		ReconcileAfter: cfg.ReconcileAfter, DefaultSandbox: cfg.DefaultSandbox, CallTimeout: cfg.CallTimeout, Now: time.Now, Log: log,
	})
	return h
}

// clients makes the Flow Service client of a credential as it is configured.
func clients(cfg config.Config, more []flowclient.Option) credentials.NewClient {
	options := append([]flowclient.Option{
		flowclient.WithBaseURL(cfg.FlowServiceURL), flowclient.WithIMSURL(cfg.IMSURL), flowclient.WithOp(cfg.RetriggerOp),
		flowclient.WithCallTimeout(cfg.CallTimeout), flowclient.WithUserAgent("aep-retrigger/" + version()),
	}, more...)
	return func(orgID string, c flowclient.Credentials) (*flowclient.Client, error) {
		tokens, err := flowclient.NewIMS(c, options...)
		if err != nil {
			return nil, err
		}
		return flowclient.New(orgID, c.ClientID, tokens, options...)
	}
}

// version is the module's version where the binary was built from a tagged one.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
