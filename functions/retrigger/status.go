package main

import (
	"runtime"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/status"
)

// base is what a report of the function's status says for as long as the process lives. Its
// settings are those that decide what is retried, and when; none is a secret.
func base(cfg config.Config) status.Report {
	mode := config.ModeRetry
	if cfg.Observe {
		mode = config.ModeObserve
	}
	delays := make([]string, len(cfg.RetryDelays))
	for i, d := range cfg.RetryDelays {
		delays[i] = d.String()
	}
	settings := map[string]any{
		"retryDelays": delays, "retryPolicy": cfg.PolicyText, "breakerThreshold": cfg.BreakerThreshold, "extraSend": cfg.ExtraSend,
		"flowBudget": cfg.FlowBudget, "orgBudget": cfg.OrgBudget, "callsPerSecond": cfg.CallsPerSecond, "concurrentCalls": cfg.ConcurrentCalls,
		"queueConcurrency": cfg.QueueConcurrency, "sweepLimit": cfg.SweepLimit, "sweepSandboxes": cfg.SweepSandboxes, "defaultSandbox": cfg.DefaultSandbox,
		"retriggerOp": cfg.RetriggerOp, "notices": cfg.NoticeBus != "", "secrets": len(cfg.SecretIDs),
	}
	for name, d := range map[string]time.Duration{
		"maxRunAge": cfg.MaxRunAge, "breakerCooldown": cfg.BreakerCooldown, "reconcileAfter": cfg.ReconcileAfter, "extraSendAfter": cfg.ExtraSendAfter,
		"budgetWindow": cfg.BudgetWindow, "sweepSince": cfg.SweepSince, "ledgerTtl": cfg.LedgerTTL, "callTimeout": cfg.CallTimeout,
	} {
		settings[name] = d.String()
	}
	return status.Report{Version: version, Go: runtime.Version(), Schema: ledger.Schema, Mode: mode, Paused: cfg.Paused, Settings: settings}
}
