package main

import (
	"context"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

func TestARehearsalRetriesAMadeUpRunAndReachesNobody(t *testing.T) {
	t.Parallel()
	cfg, _, err := config.Load([]string{"SECRET_ID=a", "LEDGER_TABLE=ledger", "QUEUE_URL=http://127.0.0.1:1/q", "DEAD_LETTER_QUEUE_URL=http://127.0.0.1:1/d", "RETRY_DELAYS=5m", `RETRY_POLICY=[{"action":"dead_letter"}]`})
	if err != nil {
		t.Fatal(err)
	}
	amazon := aws.Config{
		Region: awssim.Region, HTTPClient: &http.Client{Transport: unreachable{t}}, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	}
	for _, observe := range []bool{false, true} {
		cfg.Observe = observe
		if err := rehearse(t.Context(), cfg, amazon); err != nil {
			t.Errorf("observing %t: %v", observe, err)
		}
	}
}

// unreachable fails the test for each call.
type unreachable struct{ t *testing.T }

func (u unreachable) RoundTrip(r *http.Request) (*http.Response, error) {
	u.t.Errorf("the rehearsal called %s", r.URL)
	return nil, http.ErrServerClosed
}
