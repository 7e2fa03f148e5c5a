package config_test

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
)

// environ is an environment as os.Environ gives it.
func environ(env map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		all = append(all, name+"="+env[name])
	}
	return all
}

// read loads variables of which none is a stray.
func read(env map[string]string) (config.Config, error) {
	cfg, strays, err := config.Load(environ(env))
	if len(strays) > 0 {
		return cfg, fmt.Errorf("strays: %v", strays)
	}
	return cfg, err
}

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	got, err := read(map[string]string{
		"SECRET_ID":             "aep/ims",
		"DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/dead-letters",
		"LEDGER_TABLE":          "ledger",
		"QUEUE_URL":             "  ",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		SecretIDs:          []string{"aep/ims"},
		DeadLetterQueueURL: "https://sqs.us-east-1.amazonaws.com/1/dead-letters",
		FlowServiceURL:     "https://platform.adobe.io/data/foundation/flowservice",
		IMSURL:             "https://ims-na1.adobelogin.com",
		RetriggerOp:        "auto",
		LogLevel:           slog.LevelInfo,
		MaxConcurrentRuns:  10,
		CallTimeout:        10 * time.Second,
		SecretCacheTTL:     5 * time.Minute,
		LedgerTable:        "ledger",
		LedgerTTL:          35 * 24 * time.Hour,
		RetryDelays:        []time.Duration{0, 5 * time.Minute, 30 * time.Minute},
		MaxRunAge:          7 * 24 * time.Hour,
		BreakerThreshold:   3,
		BreakerCooldown:    24 * time.Hour,
		ReconcileAfter:     30 * time.Second,
		ExtraSend:          true,
		ExtraSendAfter:     30 * time.Minute,
		FaultInterval:      10 * time.Second,
		CallsPerSecond:     20,
		ConcurrentCalls:    20,
		QueueConcurrency:   2,
		FlowBudget:         60,
		OrgBudget:          1200,
		BudgetWindow:       time.Hour,
		SweepSince:         24 * time.Hour,
		SweepLimit:         10_000,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Load() (-want +got):\n%s", diff)
	}
}

func TestLoadEverything(t *testing.T) {
	t.Parallel()
	got, err := read(map[string]string{
		"SECRET_ID":             "a, b",
		"QUEUE_URL":             "http://127.0.0.1:9324/0/requests",
		"DEAD_LETTER_QUEUE_URL": "http://localhost:9324/0/dead-letters",
		"DEFAULT_SANDBOX":       "prod",
		"FLOW_SERVICE_URL":      "https://platform-stage.adobe.io/data/foundation/flowservice/",
		"IMS_URL":               "http://[::1]:8080",
		"RETRIGGER_OP":          "RE_TRIGGER",
		"LOG_LEVEL":             "DEBUG",
		"MAX_CONCURRENT_RUNS":   "1",
		"CALL_TIMEOUT":          "30s",
		"SECRET_CACHE_TTL":      "0s",
		"LEDGER_TABLE":          "ledger",
		"LEDGER_TTL":            "1440h",
		"RETRY_DELAYS":          "1s, 12h",
		"RETRY_POLICY":          `[{"code":"MAPPER-*","action":"dead_letter"}]`,
		"MAX_RUN_AGE":           "24h",
		"BREAKER_THRESHOLD":     "0",
		"BREAKER_COOLDOWN":      "1h",
		"RECONCILE_AFTER":       "0s",
		"EXTRA_SEND":            "false",
		"EXTRA_SEND_AFTER":      "0s",
		"FAULT_INTERVAL":        "0s",
		"CALLS_PER_SECOND":      "0",
		"CONCURRENT_CALLS":      "30",
		"QUEUE_CONCURRENCY":     "20",
		"FLOW_BUDGET":           "0",
		"ORG_BUDGET":            "5",
		"BUDGET_WINDOW":         "24h",
		"PAUSED":                "True",
		"MODE":                  "Observe",
		"SWEEP_SINCE":           "72h",
		"SWEEP_LIMIT":           "1",
		"SWEEP_SANDBOXES":       "prod, dev",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		SecretIDs:          []string{"a", "b"},
		QueueURL:           "http://127.0.0.1:9324/0/requests",
		DeadLetterQueueURL: "http://localhost:9324/0/dead-letters",
		DefaultSandbox:     "prod",
		FlowServiceURL:     "https://platform-stage.adobe.io/data/foundation/flowservice",
		IMSURL:             "http://[::1]:8080",
		RetriggerOp:        "RE_TRIGGER",
		LogLevel:           slog.LevelDebug,
		MaxConcurrentRuns:  1,
		CallTimeout:        30 * time.Second,
		LedgerTable:        "ledger",
		LedgerTTL:          1440 * time.Hour,
		RetryDelays:        []time.Duration{time.Second, 12 * time.Hour},
		RetryPolicy:        []policy.Rule{{Code: policy.Patterns{"MAPPER-*"}, Action: policy.DeadLetter}},
		PolicyText:         `[{"code":"MAPPER-*","action":"dead_letter"}]`,
		MaxRunAge:          24 * time.Hour,
		BreakerCooldown:    time.Hour,
		ConcurrentCalls:    30,
		QueueConcurrency:   20,
		OrgBudget:          5,
		BudgetWindow:       24 * time.Hour,
		Paused:             true,
		Observe:            true,
		SweepSince:         72 * time.Hour,
		SweepLimit:         1,
		SweepSandboxes:     []string{"prod", "dev"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Load() (-want +got):\n%s", diff)
	}
}

func TestLoadReportsEveryMistakeByName(t *testing.T) {
	t.Parallel()
	_, err := read(map[string]string{
		"SECRET_ID":           "a,,a",
		"QUEUE_URL":           "requests",
		"FLOW_SERVICE_URL":    "http://platform.adobe.io/data",
		"IMS_URL":             "https://user:hunter2@ims.example",
		"RETRIGGER_OP":        "retrigger",
		"LOG_LEVEL":           "loud",
		"MAX_CONCURRENT_RUNS": "0",
		"CALL_TIMEOUT":        "10",
		"SECRET_CACHE_TTL":    "-1s",
		"LEDGER_TTL":          "24h",
		"RETRY_DELAYS":        "0s,soon,13h",
		"RETRY_POLICY":        `[{"code":"","action":"retry"},{"action":"dead_leter"},{"cod":"x","action":"skip","delays":["1s"]}]`,
		"BREAKER_THRESHOLD":   "-1",
		"PAUSED":              "yes",
		"MODE":                "look",
		"CONCURRENT_CALLS":    "1",
		"BUDGET_WINDOW":       "1s",
	})
	if err == nil {
		t.Fatal("Load() succeeded")
	}
	for _, want := range []string{
		"SECRET_ID has an empty element in its comma-separated list: element 2 of 3", `SECRET_ID element 3 of 3 is the same as element 1`,
		"QUEUE_URL is no absolute URL",
		"DEAD_LETTER_QUEUE_URL is required and not set",
		"FLOW_SERVICE_URL is not https", "IMS_URL has a user name or password",
		"RETRIGGER_OP is refused: the op must be auto, re-trigger or RE_TRIGGER", `LOG_LEVEL is "loud"`, `MAX_CONCURRENT_RUNS is "0"`, `CALL_TIMEOUT is "10"`, `SECRET_CACHE_TTL is "-1s"`,
		"LEDGER_TABLE is required and not set", "LEDGER_TTL is shorter than MAX_RUN_AGE", `BREAKER_THRESHOLD is "-1"`,
		`PAUSED is "yes"`, `MODE is "look", must be one of retry, observe`, "CONCURRENT_CALLS is less than QUEUE_CONCURRENCY", `BUDGET_WINDOW is "1s"`,
		`RETRY_DELAYS "soon" is no delay`, `RETRY_DELAYS "13h" is no delay`,
		"RETRY_POLICY rule 1: code has an empty pattern", `RETRY_POLICY rule 2: action is "dead_leter"`,
		`RETRY_POLICY rule 3: unknown field "cod"`, `RETRY_POLICY rule 3: delays belong to the action "retry"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error contains a password:\n%v", err)
	}
}

func TestLoadRefusesOneQueueForBoth(t *testing.T) {
	t.Parallel()
	_, err := read(map[string]string{
		"SECRET_ID":             "a",
		"QUEUE_URL":             "https://sqs.us-east-1.amazonaws.com/1/q/",
		"DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/q",
	})
	if err == nil || !strings.Contains(err.Error(), "QUEUE_URL is the same queue as DEAD_LETTER_QUEUE_URL") {
		t.Errorf("Load() = %v, want a complaint about the queues", err)
	}
}

func TestNoticeBusIsANameOrAnARN(t *testing.T) {
	t.Parallel()
	for _, bus := range []string{"", "notices", "default", "a.b_c-D", "arn:aws:events:eu-west-1:123456789012:event-bus/notices", "arn:aws-us-gov:events:us-gov-west-1:123456789012:event-bus/x"} {
		if cfg, _, err := config.Load(least("SECRET_ID=a", "NOTICE_BUS="+bus)); err != nil || cfg.NoticeBus != bus {
			t.Errorf("%q: %q, %v", bus, cfg.NoticeBus, err)
		}
	}
	for bus, says := range map[string]string{
		"a b": "neither the name nor the ARN", "https://events.amazonaws.com": "neither the name nor the ARN", strings.Repeat("x", 257): "neither the name nor the ARN",
		"arn:aws:events:eu-west-1:123456789012:rule/notices": "neither the name nor the ARN", "aws.partner/developer.adobe.com/1": "partner",
		"arn:aws:events:eu-west-1::event-bus/aws.partner/developer.adobe.com/1": "partner",
	} {
		_, _, err := config.Load(least("SECRET_ID=a", "NOTICE_BUS="+bus))
		if err == nil || !strings.Contains(err.Error(), "NOTICE_BUS") || !strings.Contains(err.Error(), says) || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%.40q: %v", bus, err)
		}
	}
}
