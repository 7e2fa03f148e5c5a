package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
)

// rulesOf returns a RETRY_POLICY of so many bytes, made of rules as in docs/configuration.md.
func rulesOf(bytes int) string {
	const rule = `{"code":["CONNECTOR-1001-*","2200"],"message":"*timed out*","action":"retry","delays":["1m","10m","1h"]}`
	n := (bytes - 1) / (len(rule) + 1)
	return "[" + strings.Repeat(rule+",", n-1) + rule + strings.Repeat(" ", bytes-1-n*(len(rule)+1)) + "]"
}

func TestTooLargeRetryPolicyIsRefusedWithItsRoom(t *testing.T) {
	t.Parallel()
	if _, _, err := config.Load(least("SECRET_ID=a", "RETRY_POLICY="+rulesOf(2300))); err != nil {
		t.Errorf("rules that have room are refused: %v", err)
	}
	rules := rulesOf(2600)
	_, _, err := config.Load(least("SECRET_ID=a", "RETRY_POLICY="+rules, "LOG_LEVEL=loud"))
	for _, want := range []string{fmt.Sprintf("RETRY_POLICY has %d bytes, and room for 2300", len(rules)), "Lambda allows 4096", "LOG_LEVEL is"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

func TestTooLargeEnvironmentIsRefusedWithItsRoom(t *testing.T) {
	t.Parallel()
	base := least("SECRET_ID=a")
	used := -len(base) // the equals signs don't count
	for _, variable := range base {
		used += len(variable)
	}
	filler := func(bytes int) string { return "FILLER=" + strings.Repeat("x", bytes-len("FILLER")) }
	lambda := []string{"AWS_SESSION_TOKEN=" + strings.Repeat("x", 3000), "LS_COLORS=" + strings.Repeat("x", 3000), "_X_AMZN_TRACE_ID=" + strings.Repeat("x", 3000)}
	if _, _, err := config.Load(append(lambda, append(base, filler(4096-used))...)); err != nil {
		t.Errorf("an environment of 4096 bytes, and Lambda's own, is refused: %v", err)
	}
	_, _, err := config.Load(append(base, filler(4100-used)))
	if err == nil || !strings.Contains(err.Error(), "the environment has 4100 bytes in the names and values of its variables, 4 more than the 4096") {
		t.Errorf("error = %v", err)
	}
	rules := rulesOf(1000)
	_, _, err = config.Load(append(base, filler(3500-used), "RETRY_POLICY="+rules))
	want := fmt.Sprintf("RETRY_POLICY has %d bytes, and the other variables leave it room for %d: ", len(rules), 4096-3500-len("RETRY_POLICY"))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want %q", err, want)
	}
}

// TestTemplatesVariablesLeaveRoomForTheRetryPolicy measures them as Lambda does, as
// one JSON text, with long names, regions and sandboxes.
func TestTemplatesVariablesLeaveRoomForTheRetryPolicy(t *testing.T) {
	t.Parallel()
	const stack = "aep-retrigger-production-eu"
	env := map[string]string{}
	for _, p := range parameters(t) {
		env[p.variable] = p.fallback
	}
	env["SECRET_ID"] = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:production/adobe-experience-platform/ims-credential-AbCdEf"
	env["QUEUE_URL"] = "https://sqs.ap-southeast-2.amazonaws.com/123456789012/" + stack + "-RequestQueue-AbCdEfGhIjKl"
	env["DEAD_LETTER_QUEUE_URL"] = "https://sqs.ap-southeast-2.amazonaws.com/123456789012/" + stack + "-DeadLetterQueue-AbCdEfGhIjKl"
	env["LEDGER_TABLE"] = stack + "-Ledger-AbCdEfGhIjKl"
	env["SWEEP_SANDBOXES"], env["DEFAULT_SANDBOX"] = "prod,dev,stage,production-emea", "production-emea"
	env["NOTICE_BUS"] = stack + "-notices"
	env["RETRY_POLICY"] = rulesOf(2300)
	if len(env) != 32 {
		t.Fatalf("%d variables: does this test still know them all?", len(env))
	}
	measured, err := json.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	if len(measured) > 4096 {
		t.Errorf("with rules of %d bytes Lambda measures %d bytes, more than its 4096", len(env["RETRY_POLICY"]), len(measured))
	}
	if _, err := read(env); err != nil {
		t.Error(err)
	}
}
