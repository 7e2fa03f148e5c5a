package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// sweptRuns is how many runs the sweep pages through, sweptPage how many are on a
// page.
const (
	sweptRuns = 1_000_000
	sweptPage = 100
)

// listing is a page of failed runs as Flow Service sends them, 1.4 kB each.
func listing() []byte {
	const run = `{"id":"0b7e1c1a-0000-4000-8000-%012d","createdAt":%d,"updatedAt":%[2]d,"createdBy":"service@AdobeID","updatedBy":"service@AdobeID","createdClient":"acp_ui_platform",` +
		`"sandboxId":"5f6d1ba0-0000-4000-8000-000000000000","sandboxName":"prod","imsOrgId":"O@AdobeOrg","flowId":"6513270e-269e-4d37-b2a7-4de452e6b438","flowSpec":{"id":"1a0514a6-8795-4a2e-9fe2-b7f3a5a5ea94","version":"1.0"},` +
		`"providerRefId":"d9a0a9d0-0000-4000-8000-000000000000","etag":"\"1100c53e-0000-0200-0000-627138980000\"","metrics":{"durationSummary":{"startedAtUTC":%[2]d,"completedAtUTC":%[2]d},` +
		`"sizeSummary":{"inputBytes":24012,"outputBytes":17128},"recordSummary":{"inputRecordCount":1000,"outputRecordCount":1000,"failedRecordCount":0},"fileSummary":{"inputFileCount":11,"outputFileCount":11},` +
		`"statusSummary":{"status":"failed","errors":[{"code":"CONNECTOR-1001-500","message":"Error occurred in copying data from the source."}]}},` +
		`"activities":[{"id":"copyActivity","name":"Copy","updatedAtUTC":%[2]d,"durationSummary":{"startedAtUTC":%[2]d,"completedAtUTC":%[2]d},"statusSummary":{"status":"failed","errors":[],"extensions":{"errorDetail":"ErrorCode=SftpNetworkIssue"}}}]}`
	items := make([]string, sweptPage)
	at := time.Now().Add(-time.Hour).UnixMilli()
	for i := range items {
		items[i] = fmt.Sprintf(run, i, at+int64(i))
	}
	return []byte(`{"items":[` + strings.Join(items, ",") + `],"_links":{"next":{"href":"/runs?continuationToken=`)
}

// lister serves a page again and again.
type lister struct{ page []byte }

func (l lister) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == flowsim.IMSPath {
		_, _ = w.Write([]byte(`{"access_token":"t","token_type":"bearer","expires_in":86399}`))
		return
	}
	n, _ := strconv.Atoi(r.URL.Query().Get("continuationToken"))
	_, _ = w.Write(l.page)
	if n++; n*sweptPage < sweptRuns {
		_, _ = fmt.Fprintf(w, `%d"}}}`, n)
	} else { // an href without a token would be an error
		_, _ = w.Write([]byte(`end"}}}`))
	}
}

// secrets is a client of Secrets Manager.
func secrets(amazon http.Handler) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: awssim.Region, BaseEndpoint: aws.String("http://127.0.0.1"), HTTPClient: &http.Client{Transport: loopback.Transport{Handler: amazon}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
}

// heap reports how much memory is in use now.
func heap() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse+m.StackInuse) / (1 << 20)
}

// BenchmarkSweep pages through a million failed runs, and asks the ledger (in memory)
// for each of them. Its measure is the decoding of the same pages.
func BenchmarkSweep(b *testing.B) {
	page := listing()
	b.Run("decode", func(b *testing.B) {
		most := 0.0
		for b.Loop() {
			for n := range sweptRuns / sweptPage {
				var answer struct {
					Items []flowclient.Run `json:"items"`
				}
				if err := json.Unmarshal(append(slices.Clip(page), `0"}}}`...), &answer); err != nil || len(answer.Items) != sweptPage {
					b.Fatal(err)
				}
				if n%1000 == 0 {
					most = max(most, heap())
				}
			}
		}
		b.ReportMetric(most, "MiB-heap")
	})
	b.Run("sweep", func(b *testing.B) {
		most := 0.0
		for b.Loop() {
			most = max(most, sweepAll(b, page))
		}
		b.ReportMetric(most, "MiB-heap")
	})
}

// sweepAll runs a sweep whose failed runs were all dealt with, and returns the most
// memory that was in use.
func sweepAll(b *testing.B, page []byte) (most float64) {
	b.Helper()
	calls := 0
	adobe := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls%1000 == 0 {
			most = max(most, heap())
		}
		if r.URL.Query().Get("continuationToken") == "end" {
			_, _ = w.Write([]byte(`{"items":[],"_links":{}}`))
			return
		}
		lister{page}.ServeHTTP(w, r)
	})
	options := []flowclient.Option{
		flowclient.WithBaseURL("http://127.0.0.1"), flowclient.WithIMSURL("http://127.0.0.1"),
		flowclient.WithHTTPClient(&http.Client{Transport: loopback.Transport{Handler: adobe}}),
	}
	table := memory.New()
	table.MadeAt(time.Now().Add(-48 * time.Hour)) // a sweep does not look back beyond that
	entries := ledger.New(table, ledger.DefaultTTL, time.Now)
	for i := range sweptPage {
		run := ledger.NewRun("O@AdobeOrg", "f", "prod", fmt.Sprintf("0b7e1c1a-0000-4000-8000-%012d", i))
		if _, err := entries.Note(b.Context(), ledger.Entries{Run: run}, ledger.ASweep, ledger.Outcome{State: ledger.Skipped, Reason: "too_old"}); err != nil {
			b.Fatal(err)
		}
	}
	amazon := awssim.New()
	amazon.PutSecret("s", `{"client_id":"c","client_secret":"s","org_id":"O@AdobeOrg","scopes":"openid","sandbox":"prod"}`)
	accounts := credentials.NewStore(secrets(amazon), []string{"s"}, func(orgID string, c flowclient.Credentials) (*flowclient.Client, error) {
		tokens, err := flowclient.NewIMS(c, options...)
		if err != nil {
			return nil, err
		}
		return flowclient.New(orgID, c.ClientID, tokens, options...)
	}, time.Hour, time.Now)
	hold := throttle.New(table, throttle.Limits{}, false, time.Now)
	s := sweep.New(accounts, entries, table, &requestqueue.Queue{}, hold, nil, nil, sweep.Options{
		Since: 24 * time.Hour, Limit: 1, Rules: retry.Rules{Policy: &policy.Policy{Delays: policy.DefaultDelays(), MaxAge: policy.DefaultMaxAge}},
		CallTimeout: 10 * time.Second, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	result := s.Run(b.Context(), event.Sweep{ID: "bench"}, time.Now())
	if result.Report.State != sweep.Finished || result.Report.Seen != sweptRuns || result.Report.Failed != sweptRuns || result.Report.Requested != 0 {
		b.Fatalf("%+v", result)
	}
	return most
}
