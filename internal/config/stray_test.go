package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
)

// variables are the names that template.yaml sets.
func variables(t *testing.T) []string {
	t.Helper()
	all := []string{"SECRET_ID", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "LEDGER_TABLE"}
	for _, p := range parameters(t) {
		all = append(all, p.variable)
	}
	return all
}

func strays(t *testing.T, variables ...string) []config.Stray {
	t.Helper()
	_, found, err := config.Load(least(append(variables, "SECRET_ID=a")...))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestVariableThatLooksLikeOneOfOursIsNoticed(t *testing.T) {
	t.Parallel()
	for name, meant := range map[string]string{
		"RETRIGER_OP": "RETRIGGER_OP", "RETRY_DELAY": "RETRY_DELAYS", "SECRET_IDS": "SECRET_ID", "QUEUE_ULR": "QUEUE_URL", "DEADLETTER_QUEUE_URL": "DEAD_LETTER_QUEUE_URL",
		"LEDGER_TABLE_NAME": "LEDGER_TABLE", "SECRETID": "SECRET_ID", "SECRET_ARN": "SECRET_ID", "SECRET_NAME": "SECRET_ID", "secret_id": "SECRET_ID", "DLQ_URL": "DEAD_LETTER_QUEUE_URL",
		"QUEUE_ARN": "QUEUE_URL", "SQS_QUEUE_URL": "QUEUE_URL", "REQUEST_QUEUE_URL": "QUEUE_URL", "RETRY_POLICIES": "RETRY_POLICY", "RETRY_POLICY_JSON": "RETRY_POLICY", "SWEEP_SANDBOX": "SWEEP_SANDBOXES",
		"DEFAULT_SANDBOX_NAME": "DEFAULT_SANDBOX", "AEP_DEFAULT_SANDBOX": "DEFAULT_SANDBOX", "LOGLEVEL": "LOG_LEVEL", "LOG-LEVEL": "LOG_LEVEL", "CALL_TIMEOUT_MS": "CALL_TIMEOUT", "PAUSE": "PAUSED",
		"MAX_CONCURENT_RUNS": "MAX_CONCURRENT_RUNS", "BRAKER_TRESHOLD": "BREAKER_THRESHOLD", "FLOWSERVICE_URL": "FLOW_SERVICE_URL", "FLOW_SERVICES_URL": "FLOW_SERVICE_URL", "CALLS_PER_SEC": "CALLS_PER_SECOND",
		"LEDGER_TABLENAME": "LEDGER_TABLE", "POLICY_RETRY": "RETRY_POLICY", "IS_PAUSED": "PAUSED", "DELAYS_RETRY": "RETRY_DELAYS", "TIMEOUT_CALL": "CALL_TIMEOUT",
		"SANDBOX": "DEFAULT_SANDBOX", "AEP_SANDBOX": "DEFAULT_SANDBOX", "SWEEP_SINCE_HOURS": "SWEEP_SINCE", "LEDGER_TTL_DAYS": "LEDGER_TTL", "FLOW_SERVICE_ENDPOINT": "FLOW_SERVICE_URL", "SECRET_ARN_LIST": "SECRET_ID",
	} {
		want := []config.Stray{{Name: name, Meant: meant}}
		if diff := cmp.Diff(want, strays(t, name+"=hunter2")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestMisspelledVariableIsNoticed(t *testing.T) {
	t.Parallel()
	all := variables(t)
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(all).Draw(rt, "name")
		at := rapid.IntRange(0, len(name)-2).Draw(rt, "at")
		var slip string
		switch rapid.SampledFrom([]string{"left out", "twice", "swapped", "another", "no underscores", "plural", "lower case"}).Draw(rt, "slip") {
		case "left out":
			slip = name[:at] + name[at+1:]
		case "twice":
			slip = name[:at+1] + name[at:]
		case "swapped":
			slip = name[:at] + name[at+1:at+2] + name[at:at+1] + name[at+2:]
		case "another":
			slip = name[:at] + "Q" + name[at+1:]
		case "no underscores":
			slip = strings.ReplaceAll(name, "_", "")
		case "plural":
			slip = name + "S"
		case "lower case":
			slip = strings.ToLower(name)
		}
		if slices.Contains(all, slip) {
			return
		}
		if found := strays(t, slip+"=x"); len(found) != 1 || found[0].Name != slip || found[0].Meant != name {
			rt.Fatalf("%s: %v, want %s", slip, found, name)
		}
	})
}

// TestVariablesOfLambdaAndShellsAreNotReported: The list has the variables of Lambda, of
// its runtimes and extensions, and of shells, from
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html and the
// documentation of the usual extensions.
func TestVariablesOfLambdaAndShellsAreNotReported(t *testing.T) {
	t.Parallel()
	names := strings.Fields(`
		_HANDLER _X_AMZN_TRACE_ID _LAMBDA_SERVER_PORT _LAMBDA_CONTROL_SOCKET _LAMBDA_SHARED_MEM_FD _LAMBDA_LOG_FD _LAMBDA_SB_ID _LAMBDA_CONSOLE_SOCKET
		_LAMBDA_RUNTIME_LOAD_TIME _LAMBDA_TELEMETRY_LOG_FD AWS_DEFAULT_REGION AWS_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME
		AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME
		AWS_LAMBDA_LOG_LEVEL AWS_LAMBDA_LOG_FORMAT AWS_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_LAMBDA_RUNTIME_API LAMBDA_TASK_ROOT
		LAMBDA_RUNTIME_DIR LANG PATH LD_LIBRARY_PATH NODE_PATH NODE_OPTIONS PYTHONPATH GEM_PATH AWS_XRAY_CONTEXT_MISSING AWS_XRAY_DAEMON_ADDRESS TZ
		AWS_LAMBDA_DOTNET_PREJIT AWS_LAMBDA_EXEC_WRAPPER AWS_ENDPOINT_URL AWS_ENDPOINT_URL_SQS AWS_ENDPOINT_URL_DYNAMODB AWS_ENDPOINT_URL_SECRETS_MANAGER
		AWS_LAMBDA_METADATA_API AWS_LAMBDA_METADATA_TOKEN AWS_SAM_LOCAL AWS_LAMBDA_MAX_CONCURRENCY LC_CTYPE HOME HOSTNAME PWD OLDPWD SHLVL SHELL USER LOGNAME TERM TMPDIR LS_COLORS
		GODEBUG GOMEMLIMIT GOMAXPROCS GOTRACEBACK HTTP_PROXY HTTPS_PROXY NO_PROXY https_proxy SSL_CERT_FILE SSL_CERT_DIR PYTHONUNBUFFERED
		DD_LOG_LEVEL DD_API_KEY DD_API_KEY_SECRET_ARN DD_SITE DD_ENV DD_TRACE_ENABLED NEW_RELIC_LICENSE_KEY NEW_RELIC_EXTENSION_LOG_LEVEL POWERTOOLS_LOG_LEVEL
		POWERTOOLS_SERVICE_NAME OTEL_LOG_LEVEL OTEL_EXPORTER_OTLP_ENDPOINT OTEL_SERVICE_NAME OTEL_RESOURCE_ATTRIBUTES RUST_LOG PARAMETERS_SECRETS_EXTENSION_LOG_LEVEL
		SECRETS_MANAGER_TTL SSM_PARAMETER_STORE_TTL PARAMETERS_SECRETS_EXTENSION_CACHE_ENABLED STAGE ENVIRONMENT SERVICE VERSION DEBUG NAME`)
	var all []string
	for _, name := range names {
		all = append(all, name+"=x")
	}
	if found := strays(t, all...); len(found) > 0 {
		t.Errorf("false alarms: %v", found)
	}
}

func TestMisspelledRequiredVariableIsNamedInTheError(t *testing.T) {
	t.Parallel()
	_, found, err := config.Load([]string{"SECRET_ARN=p8e-hunter2", "DEADLETTER_QUEUE_URL=https://hunter2", "LEDGER_TABLE=ledger"})
	if err == nil || len(found) != 2 {
		t.Fatalf("%v, %v", found, err)
	}
	for _, want := range []string{"SECRET_ID is required and not set (SECRET_ARN is set: is it meant?)", "DEAD_LETTER_QUEUE_URL is required and not set (DEADLETTER_QUEUE_URL is set"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error has a value:\n%v", err)
	}
}
