package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// rehearsalTime is what the second function may believe to have, as an invocation has: with the
// two seconds of a start it would begin nothing.
const rehearsalTime = time.Minute

// rehearse has a second function retry a made-up run, while the start waits for Adobe. All that
// a process does for the first time costs most: code is read from the disk, the AWS client
// puts its calls together, tables are made for JSON. With a whole CPU that takes some ten
// milliseconds, and after the start seven times as long.
//
// Nothing leaves the process: what answers the second function is [stage], and what it writes
// is thrown away with it. It shares with the first one only the AWS credentials.
func rehearse(ctx context.Context, cfg config.Config, amazon aws.Config) error {
	const org = "rehearsal@AdobeOrg"
	scene := &stage{org: org, sandbox: "rehearsal"}
	client := &http.Client{Transport: scene}
	amazon.HTTPClient = client
	cfg.SecretIDs, cfg.RetryDelays, cfg.RetryPolicy = []string{org}, policy.DefaultDelays(), nil
	table := dynamo.New(dynamodb.NewFromConfig(amazon), cfg.LedgerTable)
	function, _ := wire(cfg, amazon, table, newLedger(cfg, table), io.Discard, flowclient.WithHTTPClient(client))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rehearsalTime)
	defer cancel()
	answer, err := function.Invoke(ctx, scene.event(time.Now()))
	switch {
	case err != nil:
		return err
	case !scene.retriggered && !cfg.Observe && !cfg.Paused:
		return errors.New("the rehearsal did not come to a re-trigger: " + string(answer))
	}
	runtime.GC() // now, and not in the first invocation
	return nil
}

// stage answers the calls of a rehearsal as AWS and Adobe do where nothing is in the way.
type stage struct {
	org, sandbox string
	retriggered  bool // read when the rehearsal is over
}

// event is a batch with the event of one failed run.
func (s *stage) event(now time.Time) []byte {
	began, failed := now.Add(-time.Minute).UnixMilli(), now.UnixMilli()
	run := fmt.Sprintf(`{"id":"rehearsal","flowId":"rehearsal","flowName":"Rehearsal","imsOrgId":%q,"sandboxName":%q,"createdAt":%d,"updatedAt":%d,`+
		`"metrics":{"durationSummary":{"startedAtUTC":%[3]d,"completedAtUTC":%d},"statusSummary":{"status":"failed","errors":[{"code":"CONNECTOR-1001-500","message":"rehearsal"}]}},`+
		`"activities":[{"durationSummary":{"extensions":{"windowStart":%[3]d,"windowEnd":%[4]d}}}],`+
		`"header":{"_adobeio":{"imsOrgId":%[1]q,"providerMetadata":"aep_observability_catalog_events","eventCode":"source_flow_run_error"}}}`, s.org, s.sandbox, began, failed, failed)
	body, _ := json.Marshal(run) // a string always encodes
	return fmt.Appendf(nil, `{"Records":[{"messageId":"rehearsal","receiptHandle":"rehearsal","eventSource":"aws:sqs","body":%s,"attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"%d"}}]}`, body, failed)
}

// RoundTrip implements [http.RoundTripper].
func (s *stage) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	text, kind := "{}", "application/json"
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case op == "GetSecretValue":
		kind = "application/x-amz-json-1.1"
		secret, _ := json.Marshal(fmt.Sprintf(`{"client_id":"rehearsal","client_secret":"rehearsal","org_id":%q,"scopes":"openid","sandbox":%q}`, s.org, s.sandbox))
		text = `{"SecretString":` + string(secret) + `}`
	case op == "BatchGetItem":
		kind, text = "application/x-amz-json-1.0", `{"Responses":{},"UnprocessedKeys":{}}`
	case op != "":
		kind = "application/x-amz-json-1.0"
	case strings.HasSuffix(r.URL.Path, "/ims/token/v3"):
		text = `{"access_token":"rehearsal","token_type":"bearer","expires_in":3600}`
	case strings.HasSuffix(r.URL.Path, "/action"):
		s.retriggered = true
		text = `{"id":"rehearsal-made","etag":"\"1\""}`
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {kind}, "X-Amz-Crc32": {strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(text))), 10)}}, ContentLength: int64(len(text)), Body: io.NopCloser(strings.NewReader(text)),
	}, nil
}
