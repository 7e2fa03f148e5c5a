package config_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
)

// least is the smallest environment that the function starts with.
func least(more ...string) []string {
	return append([]string{"DEAD_LETTER_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/1/dead-letters", "LEDGER_TABLE=ledger"}, more...)
}

func TestNamesAndARNsOfSecretsAreTaken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"aep/ims", "a", "ims_credential+of=org.1@home-x", "p8", "P8E", "prod-p8e-credential", "e2e-adobe", "b2b-aep-ims", strings.Repeat("a", 512), "0123456789abcdef",
		"arn:aws:secretsmanager:us-east-1:123456789012:secret:aep/ims-AbCdEf",
		"arn:aws:secretsmanager:us-east-1:123456789012:secret:aep/ims",
		"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:" + strings.Repeat("a", 512) + "-AbCdEf",
		"arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:0123456789abcdef0123456789abcdef",
	} {
		cfg, _, err := config.Load(least("SECRET_ID= other , " + text + " "))
		if err != nil || len(cfg.SecretIDs) != 2 || cfg.SecretIDs[1] != text {
			t.Errorf("%s: %v, %v", text, cfg.SecretIDs, err)
		}
	}
}

func TestSecretInPlaceOfItsNameIsRefusedWithoutItsText(t *testing.T) {
	t.Parallel()
	const other = "neither a name nor an ARN of a secret; is it the secret itself?"
	const part = "looks like a part of a credential"
	for _, tt := range []struct{ text, want string }{
		{`{"client_secret":"p8e-THE-SECRET-abcdef"}`, "element 1 of 1 is " + other},
		{`a,{"client_id":"i", "client_secret":"p8e-THE-SECRET-abcdef", "org_id":"THE-SECRET@AdobeOrg"}`, "element 3 of 4 is " + other},
		{"p8e-THE-SECRET-abcdef", "element 1 of 1 " + part},
		{"a,s8e-THE-SECRET-abcdef", "element 2 of 2 " + part},
		{"a, P8E-THE-SECRET-abcdef ,b", "element 2 of 3 " + part},
		{"CLIENT_SECRET=THE-SECRET", "element 1 of 1 " + part},
		{"secret=p8e-THE-SECRET", "element 1 of 1 " + part},
		{"3f0c2b7d9e5a4f1c8b6d0e2a7c9f4b1d", "element 1 of 1 " + part},
		{"9A8B7C6D5E4F3A2B1C0D9E8F", "element 1 of 1 " + part},
		{"THE-SECRET@AdobeOrg", "element 1 of 1 " + part},
		{"THE-SECRET@techacct.adobe.com", "element 1 of 1 " + part},
		{"eyJhbGciOiJSUzI1NiJ9.THE-SECRET", "element 1 of 1 " + part},
		{"AKIAIOSFODNN7EXAMPLE", "element 1 of 1 " + part},
		{"my secret THE-SECRET", "element 1 of 1 is " + other},
		{"-----BEGIN PRIVATE KEY-----THE-SECRET", "element 1 of 1 is " + other},
		{"arn:aws:sqs:us-east-1:123456789012:THE-SECRET", "element 1 of 1 is " + other},
		{"arn:aws:secretsmanager:us-east-1:12:secret:THE-SECRET", "element 1 of 1 is " + other},
		{"arn:aws:secretsmanager:us-east-1:123456789012:secret:", "element 1 of 1 is " + other},
		{strings.Repeat("THE-SECRET", 52), "element 1 of 1 is " + other},
		{"b/THE-SECRET,c,b/THE-SECRET", "element 3 of 3 is the same as element 1"},
		{"b,,c", "an empty element in its comma-separated list: element 2 of 3"},
	} {
		_, _, err := config.Load(least("SECRET_ID=" + tt.text))
		if err == nil || !strings.Contains(err.Error(), "SECRET_ID") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want %q", tt.text, err, tt.want)
		}
		for _, value := range []string{"THE-SECRET", "3f0c2b7d", "9A8B7C6D", "AKIA", "eyJ"} {
			if err != nil && strings.Contains(err.Error(), value) {
				t.Errorf("%s: the error has the text: %v", tt.text, err)
			}
		}
	}
}

func TestNoErrorHasTheTextOfASecretID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9_-]{12,40}`).Draw(t, "secret")
		shape := rapid.SampledFrom([]string{
			`{"client_secret":"%s"}`, "%s", "p8e-%s", "x,%s,%[1]s", "client_secret: %s", "%s@AdobeOrg", `"%s"`, "Bearer %s", "arn:aws:%s", "%s\n",
		}).Draw(t, "shape")
		_, _, err := config.Load(least("SECRET_ID=" + fmt.Sprintf(shape, secret)))
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Fatalf("the error has the text: %v", err)
		}
	})
}

func TestSecretIDThatTheClientRefusesIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ variable, want string }{
		{"FLOW_SERVICE_URL=https://platform.adobe.io/x?", "FLOW_SERVICE_URL has a query or fragment"},
		{"FLOW_SERVICE_URL=https://platform.adobe.io/x#", "FLOW_SERVICE_URL has a query or fragment"},
		{"FLOW_SERVICE_URL=https://:8080/x", "FLOW_SERVICE_URL is no absolute URL"},
		{"FLOW_SERVICE_URL=platform.adobe.io", "FLOW_SERVICE_URL is no absolute URL"},
		{"IMS_URL=https://ims-na1.adobelogin.com?", "IMS_URL has a query or fragment"},
		{"IMS_URL=https://ims-na1.adobelogin.com/a b", "IMS_URL has white space in it"},
		{"IMS_URL=http://ims-na1.adobelogin.com", "IMS_URL is not https"},
		{"QUEUE_URL=https://sqs/x#y", "QUEUE_URL has a query or fragment"},
		{"RETRIGGER_OP=re trigger", "RETRIGGER_OP is refused: the op must be auto, re-trigger or RE_TRIGGER"},
		{"RETRIGGER_OP=" + strings.Repeat("a", 300), "RETRIGGER_OP is refused: the op must be auto, re-trigger or RE_TRIGGER"},
		{"DEFAULT_SANDBOX=my prod", "DEFAULT_SANDBOX can't be the name of a sandbox"},
		{"DEFAULT_SANDBOX=" + strings.Repeat("a", 300), "DEFAULT_SANDBOX has 300 bytes"},
		{"SWEEP_SANDBOXES=prod,my dev", "SWEEP_SANDBOXES element 2 of 2 can't be the name of a sandbox"},
		{"SWEEP_SANDBOXES=prod,dev,prod", "SWEEP_SANDBOXES element 3 of 3 is the same as element 1"},
	} {
		_, _, err := config.Load(least("SECRET_ID=a", tt.variable, "LOG_LEVEL=loud"))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "LOG_LEVEL is") {
			t.Errorf("%s: error = %v, want %q, and every other mistake beside it", tt.variable, err, tt.want)
		}
		if err != nil && strings.Count(err.Error(), strings.Split(tt.variable, "=")[0]) != 1 {
			t.Errorf("%s is reported more than once: %v", tt.variable, err)
		}
	}
}
