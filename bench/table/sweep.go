package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// sweptPage is how many runs are on a page. sweptRuns are paged through, or fewer where the
// least is measured.
const (
	sweptPage  = 100
	sweptRuns  = 1_000_000
	fewerRuns  = 100_000
	sweptTimes = 5
)

// swept pages through failed runs of 1.4 kB that were all dealt with, and asks the ledger (in
// memory) for each of them. Its measure is encoding/json decoding the same pages into the same
// structs, and nothing else.
func swept() study {
	return study{
		name: "sweep",
		rows: []spec{{id: "5.14", what: "a sweep of a million failed runs, all dealt with (median of five)", against: "decoding the pages (median of five)", limit: 1.5, busy: 2, unit: "×"}},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			runs := sweptRuns
			if l.quick {
				runs = fewerRuns
			}
			page := listing()
			var decode, sweep []time.Duration
			for range sweptTimes {
				began := time.Now()
				if err := decodeAll(page, runs); err != nil {
					return nil, err
				}
				decode, began = append(decode, time.Since(began)), time.Now()
				if err := sweepAll(ctx, page, runs); err != nil {
					return nil, err
				}
				sweep = append(sweep, time.Since(began))
			}
			a, b := median(sweep), median(decode)
			of := ""
			if runs != sweptRuns {
				of = fmt.Sprintf(" (of %d)", runs)
			}
			return map[string]figure{"5.14": {ratio: ratio(a, b), value: seconds(a) + of, base: seconds(b) + of}}, nil
		},
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func median[T cmp.Ordered](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// listing is a page of failed runs as Flow Service sends them, without its end.
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

// decodeAll decodes as many pages as a sweep of the runs lists.
func decodeAll(page []byte, runs int) error {
	whole := append(slices.Clip(page), `0"}}}`...)
	for range runs / sweptPage {
		var answer struct {
			Items []flowclient.Run `json:"items"`
		}
		if err := json.Unmarshal(whole, &answer); err != nil || len(answer.Items) != sweptPage {
			return fmt.Errorf("decode a page of %d runs: %w", len(answer.Items), err)
		}
	}
	return nil
}

// lister is Flow Service and IMS. It serves a page again and again, at no cost: the simulated
// ones of the tests copy each answer.
type lister struct {
	page []byte
	runs int
}

// RoundTrip implements [http.RoundTripper].
func (l lister) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte(`{"items":[],"_links":{}}`)
	token := r.URL.Query().Get("continuationToken")
	switch n, _ := strconv.Atoi(token); {
	case r.URL.Path == flowsim.IMSPath:
		body = []byte(`{"access_token":"t","token_type":"bearer","expires_in":86399}`)
	case token == "end":
	default:
		n++
		next := []byte(strconv.Itoa(n) + `"}}}`)
		if n*sweptPage >= l.runs { // an href without a token would be an error
			next = []byte(`end"}}}`)
		}
		return answer(r, io.MultiReader(bytes.NewReader(l.page), bytes.NewReader(next)), len(l.page)+len(next)), nil
	}
	return answer(r, bytes.NewReader(body), len(body)), nil
}

func answer(r *http.Request, body io.Reader, length int) *http.Response {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(body), ContentLength: int64(length), Request: r,
	}
}

// known is a table whose records of runs are never written, so that it need not copy them.
type known struct {
	*memory.Table
	records map[string]store.Record
}

// Read implements [store.Table].
func (k known) Read(ctx context.Context, keys ...string) ([]store.Record, error) {
	found := make([]store.Record, 0, len(keys))
	for _, key := range keys {
		record, ok := k.records[key]
		if !ok {
			return k.Table.Read(ctx, keys...)
		}
		found = append(found, record)
	}
	return found, nil
}

// dealtWith is a table that has an entry of each run of the page: it was skipped.
func dealtWith(ctx context.Context) (known, error) {
	table := memory.New()
	table.MadeAt(time.Now().Add(-48 * time.Hour)) // a sweep does not look back beyond that
	entries := ledger.New(table, ledger.DefaultTTL, time.Now)
	k := known{table, map[string]store.Record{}}
	for i := range sweptPage {
		run := ledger.NewRun("O@AdobeOrg", "f", "prod", fmt.Sprintf("0b7e1c1a-0000-4000-8000-%012d", i))
		if _, err := entries.Note(ctx, ledger.Entries{Run: run}, ledger.ASweep, ledger.Outcome{State: ledger.Skipped, Reason: "too_old"}); err != nil {
			return k, err
		}
		key := ledger.RunKey(run.OrgID, run.RunID)
		records, err := table.Read(ctx, key)
		if err != nil {
			return k, err
		}
		k.records[key] = records[0]
	}
	return k, nil
}

// sweepAll runs a sweep that lists so many failed runs, all of which were dealt with.
func sweepAll(ctx context.Context, page []byte, runs int) error {
	options := []flowclient.Option{
		flowclient.WithBaseURL("http://127.0.0.1"), flowclient.WithIMSURL("http://127.0.0.1"),
		flowclient.WithHTTPClient(&http.Client{Transport: lister{page, runs}}),
	}
	table, err := dealtWith(ctx)
	if err != nil {
		return err
	}
	amazon := awssim.New()
	amazon.PutSecret("s", `{"client_id":"c","client_secret":"s","org_id":"O@AdobeOrg","scopes":"openid","sandbox":"prod"}`)
	secrets := secretsmanager.New(secretsmanager.Options{
		Region: awssim.Region, BaseEndpoint: aws.String("http://127.0.0.1"), HTTPClient: &http.Client{Transport: loopback.Transport{Handler: amazon}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
	accounts := credentials.NewStore(secrets, []string{"s"}, func(orgID string, c flowclient.Credentials) (*flowclient.Client, error) {
		tokens, err := flowclient.NewIMS(c, options...)
		if err != nil {
			return nil, err
		}
		return flowclient.New(orgID, c.ClientID, tokens, options...)
	}, time.Hour, time.Now)
	hold := throttle.New(table, throttle.Limits{}, false, time.Now)
	s := sweep.New(accounts, ledger.New(table, ledger.DefaultTTL, time.Now), table, &requestqueue.Queue{}, hold, nil, nil, sweep.Options{
		Since: 24 * time.Hour, Limit: 1, Rules: retry.Rules{Policy: &policy.Policy{Delays: policy.DefaultDelays(), MaxAge: policy.DefaultMaxAge}},
		CallTimeout: 10 * time.Second, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	result := s.Run(ctx, event.Sweep{ID: "bench"}, time.Now())
	if r := result.Report; r.State != sweep.Finished || r.Seen != runs || r.Failed != runs || r.Requested != 0 {
		return fmt.Errorf("a sweep of %d runs ended with %+v", runs, result) //nolint:err113 // it is printed
	}
	return nil
}
