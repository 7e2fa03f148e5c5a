package stack

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
)

// Credential is that of a real org.
type Credential struct{ ClientID, ClientSecret, OrgID, Scopes, Sandbox string }

// CredentialFromEnv reads AEP_CLIENT_ID and the like. It returns nil if none is
// set, and an error if only some are.
func CredentialFromEnv(getenv func(string) string) (*Credential, error) {
	c := Credential{
		ClientID: getenv("AEP_CLIENT_ID"), ClientSecret: getenv("AEP_CLIENT_SECRET"), OrgID: getenv("AEP_ORG_ID"),
		Scopes: cmp.Or(getenv("AEP_SCOPES"), Scopes), Sandbox: getenv("AEP_SANDBOX"),
	}
	given := []string{c.ClientID, c.ClientSecret, c.OrgID, c.Sandbox}
	switch {
	case strings.Join(given, "") == "":
		return nil, nil //nolint:nilnil // none is a valid answer
	case slices.Contains(given, ""):
		return nil, errors.New("for a real org set AEP_CLIENT_ID, AEP_CLIENT_SECRET, AEP_ORG_ID and AEP_SANDBOX, all of them")
	}
	return &c, nil
}

// SettingsFromEnv reads those variables of the function's configuration that a person
// may set for a run on this machine, "NAME=value". The others are the stack's own: the
// resources, and where Adobe is.
func SettingsFromEnv(getenv func(string) string) []string {
	var env []string
	for _, name := range []string{
		config.LedgerTTL, config.RetryDelays, config.RetryPolicy, config.MaxRunAge, config.BreakerThreshold, config.BreakerCooldown,
		config.ReconcileAfter, config.ExtraSend, config.ExtraSendAfter, config.FaultInterval, config.CallsPerSecond, config.ConcurrentCalls, config.QueueConcurrency,
		config.FlowBudget, config.OrgBudget, config.BudgetWindow, config.Paused, config.Mode, config.SweepSince, config.SweepLimit, config.SweepSandboxes, config.DefaultSandbox,
		config.LogLevel, config.MaxConcurrentRuns, config.CallTimeout, config.SecretCacheTTL,
	} {
		if value := getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// adobeSettings are the variables that are taken from the environment for a real org.
func adobeSettings() []string {
	return []string{config.FlowServiceURL, config.IMSURL, config.RetriggerOp}
}
