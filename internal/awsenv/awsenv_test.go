package awsenv_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/awsenv"
)

// told is what the clients of all four services and their configuration say.
type told struct {
	Region, Mode string
	Attempts     int
	FIPS         aws.FIPSEndpointState
	DualStack    aws.DualStackEndpointState
	Endpoints    [4]string
	Credentials  aws.Credentials
	Account      aws.AccountIDEndpointMode
	Defaults     aws.DefaultsMode
}

func tellOf(t *testing.T, cfg aws.Config) told {
	t.Helper()
	credentials, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	table := dynamodb.NewFromConfig(cfg).Options()
	return told{
		Region: table.Region, Mode: string(table.RetryMode), Attempts: table.Retryer.MaxAttempts(),
		FIPS: table.EndpointOptions.UseFIPSEndpoint, DualStack: table.EndpointOptions.UseDualStackEndpoint,
		Endpoints: [4]string{
			aws.ToString(table.BaseEndpoint), aws.ToString(sqs.NewFromConfig(cfg).Options().BaseEndpoint),
			aws.ToString(secretsmanager.NewFromConfig(cfg).Options().BaseEndpoint), aws.ToString(eventbridge.NewFromConfig(cfg).Options().BaseEndpoint),
		},
		Credentials: credentials, Account: table.AccountIDEndpointMode, Defaults: table.DefaultsMode,
	}
}

// TestTheConfigurationIsThatOfTheSDK compares the clients with those of the SDK's own
// configuration in the same environment.
func TestTheConfigurationIsThatOfTheSDK(t *testing.T) {
	for name, env := range map[string]string{
		"Lambda's own variables":     "",
		"the default region alone":   "AWS_REGION= AWS_DEFAULT_REGION=eu-west-1",
		"both regions":               "AWS_DEFAULT_REGION=eu-west-1",
		"credentials without token":  "AWS_SESSION_TOKEN=",
		"FIPS":                       "AWS_USE_FIPS_ENDPOINT=true",
		"no FIPS":                    "AWS_USE_FIPS_ENDPOINT=false",
		"dual stack":                 "AWS_USE_DUALSTACK_ENDPOINT=TRUE",
		"an endpoint":                "AWS_ENDPOINT_URL=http://127.0.0.1:1",
		"an endpoint of one service": "AWS_ENDPOINT_URL_SECRETS_MANAGER=http://127.0.0.1:2",
		"endpoints of all and one":   "AWS_ENDPOINT_URL=http://127.0.0.1:1 AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:2 AWS_ENDPOINT_URL_SQS=http://127.0.0.1:3",
		"endpoints that are ignored": "AWS_ENDPOINT_URL=http://127.0.0.1:1 AWS_ENDPOINT_URL_EVENTBRIDGE=http://127.0.0.1:2 AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
		"retries":                    "AWS_RETRY_MODE=adaptive AWS_MAX_ATTEMPTS=5",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_CONFIG_FILE", "/dev/null")
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
			for pair := range strings.FieldsSeq("AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret AWS_SESSION_TOKEN=token " + env) {
				name, value, _ := strings.Cut(pair, "=")
				t.Setenv(name, value)
			}
			want, err := awsconfig.LoadDefaultConfig(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := awsenv.Config(os.Getenv)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tellOf(t, want), tellOf(t, got)); diff != "" {
				t.Errorf("(-the SDK's +ours):\n%s", diff)
			}
		})
	}
}

func TestAVariableThatCantBeReadIsNamed(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"AWS_USE_FIPS_ENDPOINT": "yes", "AWS_USE_DUALSTACK_ENDPOINT": "1", "AWS_RETRY_MODE": "often", "AWS_MAX_ATTEMPTS": "many",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "maybe",
	} {
		_, err := awsenv.Config(func(asked string) string {
			if asked == name {
				return value
			}
			return ""
		})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestWithoutCredentialsACallSaysWhoSetsThem(t *testing.T) {
	t.Parallel()
	cfg, err := awsenv.Config(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if _, err = cfg.Credentials.Retrieve(t.Context()); !errors.Is(err, awsenv.ErrNoCredentials) {
		t.Error(err)
	}
}
