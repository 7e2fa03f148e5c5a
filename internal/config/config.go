// Package config reads the function's configuration from environment
// variables, once, at start.
//
// Every mistake is reported, each with the name of its variable, in one error.
// A value is never echoed when it could hold a secret: variables name secrets,
// they don't contain them, but a person may put one there. A variable whose name
// only looks like one of ours is a [Stray]. The table in docs/configuration.md is the reference.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Names of the environment variables.
const (
	SecretID           = "SECRET_ID"
	QueueURL           = "QUEUE_URL"
	DeadLetterQueueURL = "DEAD_LETTER_QUEUE_URL"
	LedgerTable        = "LEDGER_TABLE"
	LedgerTTL          = "LEDGER_TTL"
	RetryDelays        = "RETRY_DELAYS"
	RetryPolicy        = "RETRY_POLICY"
	MaxRunAge          = "MAX_RUN_AGE"
	BreakerThreshold   = "BREAKER_THRESHOLD"
	BreakerCooldown    = "BREAKER_COOLDOWN"
	ReconcileAfter     = "RECONCILE_AFTER"
	ExtraSend          = "EXTRA_SEND"
	ExtraSendAfter     = "EXTRA_SEND_AFTER"
	FaultInterval      = "FAULT_INTERVAL"
	CallsPerSecond     = "CALLS_PER_SECOND"
	ConcurrentCalls    = "CONCURRENT_CALLS"
	QueueConcurrency   = "QUEUE_CONCURRENCY"
	FlowBudget         = "FLOW_BUDGET"
	OrgBudget          = "ORG_BUDGET"
	BudgetWindow       = "BUDGET_WINDOW"
	Paused             = "PAUSED"
	Mode               = "MODE"
	SweepSince         = "SWEEP_SINCE"
	SweepLimit         = "SWEEP_LIMIT"
	SweepSandboxes     = "SWEEP_SANDBOXES"
	DefaultSandbox     = "DEFAULT_SANDBOX"
	FlowServiceURL     = "FLOW_SERVICE_URL"
	IMSURL             = "IMS_URL"
	RetriggerOp        = "RETRIGGER_OP"
	LogLevel           = "LOG_LEVEL"
	MaxConcurrentRuns  = "MAX_CONCURRENT_RUNS"
	CallTimeout        = "CALL_TIMEOUT"
	SecretCacheTTL     = "SECRET_CACHE_TTL" //nolint:gosec // a name, no secret
	NoticeBus          = "NOTICE_BUS"
)

// The values of [Mode].
const (
	ModeRetry   = "retry"
	ModeObserve = "observe"
)

// names are the names of all variables that [Load] reads.
func names() []string {
	return []string{
		SecretID, QueueURL, DeadLetterQueueURL, LedgerTable, LedgerTTL, RetryDelays, RetryPolicy, MaxRunAge, BreakerThreshold,
		BreakerCooldown, ReconcileAfter, ExtraSend, ExtraSendAfter, FaultInterval, CallsPerSecond, ConcurrentCalls, QueueConcurrency, FlowBudget, OrgBudget, BudgetWindow, Paused, Mode,
		SweepSince, SweepLimit, SweepSandboxes, DefaultSandbox, FlowServiceURL, IMSURL, RetriggerOp, LogLevel, MaxConcurrentRuns,
		CallTimeout, SecretCacheTTL, NoticeBus,
	}
}

// Defaults of the optional variables.
const (
	// DefaultMaxConcurrentRuns is a batch of the request queue: with less its runs would wait
	// for each other's calls. How many calls are sent is bounded by [ConcurrentCalls].
	DefaultMaxConcurrentRuns = 10
	// DefaultCallTimeout bounds one HTTP call to Flow Service or IMS.
	DefaultCallTimeout = 10 * time.Second
	// DefaultReconcileAfter is the time that Flow Service gets to list a new run.
	// Adobe says nothing of it; a run that is listed later costs one re-trigger more.
	DefaultReconcileAfter = 30 * time.Second
	// DefaultCallsPerSecond and DefaultConcurrentCalls are those to Flow Service for
	// one org. Adobe publishes no limit for it. Others of its APIs allow a client 20
	// calls a second (Storage Management,
	// https://developer.adobe.com/adobe-admin-apis-storage-management/guides/overview/limits)
	// or 2 (Analytics, https://developer.adobe.com/analytics-apis/docs/2.0/guides/faq/);
	// after a 429 the pace is halved as far as is needed. An HTTP 500 of Flow Service
	// may mean too many calls at once. With 0.3 s for a call, 20 a second are six at once;
	// 20 at once let two batches of ten begin together.
	DefaultCallsPerSecond  = 20
	DefaultConcurrentCalls = 20
	// DefaultQueueConcurrency is among how many environments those are divided: those
	// that work on the queue, of which Lambda starts two at least. A scheduled sweep, or a
	// person, has an environment besides them, and goes over by one share.
	DefaultQueueConcurrency = 2
	// DefaultFlowBudget lets a dataflow that runs each quarter of an hour have all
	// its attempts five times over, and bounds what a day's backlog of it costs the
	// source in an hour.
	DefaultFlowBudget = 60
	// DefaultOrgBudget is twenty a minute, of which sweeps get half: a backlog of ten
	// thousand runs takes about 17 hours, in which Flow Service goes on with its own
	// schedule.
	DefaultOrgBudget = 1200
	// DefaultBudgetWindow is what both are for.
	DefaultBudgetWindow = time.Hour
	// DefaultSweepSince is how far back a sweep looks: a day, so that a sweep each
	// hour has many chances to find a run, and a fault of the schedule costs none.
	DefaultSweepSince = 24 * time.Hour
	// DefaultSweepLimit is the most runs that one sweep requests.
	DefaultSweepLimit = 10_000
	// DefaultSecretCacheTTL is how long a rotated secret that still works may
	// go unnoticed. One that no longer works is fetched again at once.
	DefaultSecretCacheTTL = 5 * time.Minute
)

const (
	maxConcurrentRuns = 100
	minCallTimeout    = time.Second
	maxCallTimeout    = 5 * time.Minute
	maxSecretCacheTTL = 24 * time.Hour
	maxBreaker        = 100
	maxCalls          = 1000
	maxBudget         = 1_000_000
	maxSweepLimit     = 10_000_000
	day               = 24 * time.Hour
	maxDays           = 365 * day
)

// Config is the function's configuration, complete and valid.
type Config struct {
	// SecretIDs are names or ARNs of secrets, one for each org.
	SecretIDs []string
	// QueueURL is the request queue; empty if none is configured.
	QueueURL string
	// DeadLetterQueueURL is where dead letters go.
	DeadLetterQueueURL string
	// LedgerTable is the DynamoDB table, LedgerTTL how long its entries are kept
	// after their last change.
	LedgerTable string
	LedgerTTL   time.Duration
	// RetryDelays are those before attempt 1, 2, …; their count is the limit.
	RetryDelays []time.Duration
	// RetryPolicy are the rules; none by default.
	RetryPolicy []policy.Rule
	// PolicyText is the same as it was written; for people.
	PolicyText string
	// MaxRunAge is how long ago a run may have failed.
	MaxRunAge time.Duration
	// BreakerThreshold is how many lineages of a dataflow in a row are exhausted
	// before its breaker opens for BreakerCooldown; 0 for no breaker.
	BreakerThreshold int
	BreakerCooldown  time.Duration
	// ReconcileAfter is how long after a re-trigger without an answer the run that
	// it made is looked for.
	ReconcileAfter time.Duration
	// CallsPerSecond and ConcurrentCalls bound the calls to Flow Service for one
	// org, over all environments that work on the queue; 0 for any number.
	// QueueConcurrency is how many these are at most.
	CallsPerSecond   int
	ConcurrentCalls  int
	QueueConcurrency int
	// ExtraSend lets a run be re-triggered once more whose first re-trigger got no answer
	// and has left no run that can be found; otherwise that run is a dead letter.
	ExtraSend bool
	// ExtraSendAfter is how long after a re-trigger without an answer that is done. A run
	// that the first one made later than that would be its second.
	ExtraSendAfter time.Duration
	// FaultInterval is within how long of the last one a fault of a run counts no more.
	FaultInterval time.Duration
	// FlowBudget and OrgBudget bound the re-triggers of a dataflow and of an org in
	// a BudgetWindow; 0 for any number.
	FlowBudget, OrgBudget int
	BudgetWindow          time.Duration
	// Paused stops all sending; requests wait.
	Paused bool
	// Observe makes a dry run of everything: the function decides and says so, and sends
	// nothing (MODE=observe).
	Observe bool
	// SweepSince, SweepLimit and SweepSandboxes are for sweeps that don't say.
	SweepSince     time.Duration
	SweepLimit     int
	SweepSandboxes []string
	// DefaultSandbox is for requests and secrets that name none; may be empty.
	DefaultSandbox string
	// FlowServiceURL and IMSURL are base URLs without a trailing slash.
	FlowServiceURL string
	IMSURL         string
	// RetriggerOp is the value of the query parameter op, or [flowclient.OpAuto].
	RetriggerOp string
	// LogLevel is the least severe level that is logged.
	LogLevel slog.Level
	// MaxConcurrentRuns bounds how many runs one invocation works on at once.
	MaxConcurrentRuns int
	// CallTimeout bounds one HTTP call.
	CallTimeout time.Duration
	// SecretCacheTTL is the age at which a cached secret is fetched again.
	SecretCacheTTL time.Duration
	// NoticeBus is the name or the ARN of the EventBridge bus that notices are sent to; empty
	// for no notices.
	NoticeBus string
}

// Load reads the configuration from an environment, "NAME=value" as os.Environ gives
// it. A variable that is set to nothing but white space counts as unset. The error
// joins one error for each mistake.
//
// With or without an error it returns the variables that look like ours and are not:
// the function starts without them, so their values have no effect.
func Load(environ []string) (Config, []Stray, error) {
	r := newReader(environ)
	strays := r.strays()
	c := Config{
		SecretIDs:          r.list(SecretID, required, checkSecretID),
		QueueURL:           r.url(QueueURL, ""),
		DeadLetterQueueURL: r.url(DeadLetterQueueURL, required),
		LedgerTable:        r.text(LedgerTable, required),
		LedgerTTL:          r.duration(LedgerTTL, ledger.DefaultTTL, day, maxDays),
		RetryDelays:        r.delays(RetryDelays),
		RetryPolicy:        r.rules(RetryPolicy),
		PolicyText:         r.text(RetryPolicy, ""),
		MaxRunAge:          r.duration(MaxRunAge, policy.DefaultMaxAge, time.Hour, maxDays),
		BreakerThreshold:   r.count(BreakerThreshold, policy.DefaultBreakerThreshold, 0, maxBreaker),
		BreakerCooldown:    r.duration(BreakerCooldown, policy.DefaultBreakerCooldown, time.Minute, maxDays),
		ReconcileAfter:     r.duration(ReconcileAfter, DefaultReconcileAfter, 0, time.Hour),
		ExtraSend:          r.flag(ExtraSend, true),
		FaultInterval:      r.duration(FaultInterval, ledger.DefaultFaultInterval, 0, time.Hour),
		ExtraSendAfter:     r.duration(ExtraSendAfter, ledger.LostCallWindow, 0, day),
		CallsPerSecond:     r.count(CallsPerSecond, DefaultCallsPerSecond, 0, maxCalls),
		ConcurrentCalls:    r.count(ConcurrentCalls, DefaultConcurrentCalls, 0, maxCalls),
		QueueConcurrency:   r.count(QueueConcurrency, DefaultQueueConcurrency, 1, maxCalls),
		FlowBudget:         r.count(FlowBudget, DefaultFlowBudget, 0, maxBudget),
		OrgBudget:          r.count(OrgBudget, DefaultOrgBudget, 0, maxBudget),
		BudgetWindow:       r.duration(BudgetWindow, DefaultBudgetWindow, time.Minute, day),
		Paused:             r.flag(Paused, false),
		Observe:            r.choice(Mode, ModeRetry, ModeObserve) == ModeObserve,
		SweepSince:         r.duration(SweepSince, DefaultSweepSince, time.Minute, maxDays),
		SweepLimit:         r.count(SweepLimit, DefaultSweepLimit, 1, maxSweepLimit),
		SweepSandboxes:     r.list(SweepSandboxes, "", flowclient.CheckSandboxName),
		DefaultSandbox:     r.sandbox(DefaultSandbox),
		FlowServiceURL:     r.url(FlowServiceURL, flowclient.DefaultBaseURL),
		IMSURL:             r.url(IMSURL, flowclient.DefaultIMSURL),
		RetriggerOp:        r.text(RetriggerOp, flowclient.DefaultOp),
		LogLevel:           r.level(LogLevel),
		MaxConcurrentRuns:  r.count(MaxConcurrentRuns, DefaultMaxConcurrentRuns, 1, maxConcurrentRuns),
		CallTimeout:        r.duration(CallTimeout, DefaultCallTimeout, minCallTimeout, maxCallTimeout),
		SecretCacheTTL:     r.duration(SecretCacheTTL, DefaultSecretCacheTTL, 0, maxSecretCacheTTL),
		NoticeBus:          r.bus(NoticeBus),
	}
	if c.QueueURL != "" && c.QueueURL == c.DeadLetterQueueURL {
		r.fail(QueueURL, "is the same queue as "+DeadLetterQueueURL)
	}
	if c.LedgerTTL < c.MaxRunAge {
		r.fail(LedgerTTL, "is shorter than "+MaxRunAge+": a run that the ledger has forgotten could be retried again")
	}
	if c.ConcurrentCalls > 0 && c.ConcurrentCalls < c.QueueConcurrency {
		r.fail(ConcurrentCalls, "is less than "+QueueConcurrency+": each environment would get less than one call")
	}
	r.size()
	r.client(c)
	if err := errors.Join(r.errs...); err != nil {
		return Config{}, strays, fmt.Errorf("configuration: %w", err)
	}
	return c, strays, nil
}
