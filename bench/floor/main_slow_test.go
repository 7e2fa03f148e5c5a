//go:build slow

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// services answer as AWS and Adobe do.
type services struct {
	mu                  sync.Mutex
	claimed             map[string]bool
	retriggered, tokens int
	reads               int
	recorded            []string
}

func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	status, text := http.StatusOK, "{}"
	switch {
	case op == "GetSecretValue":
		text = `{"SecretString":"{\"client_id\":\"c\",\"client_secret\":\"s\",\"scopes\":\"openid\"}"}`
	case op == "BatchGetItem":
		s.reads++
		text = `{"Responses":{"l":[]}}`
	case op == "PutItem":
		var in struct{ Item map[string]struct{ S string } }
		_ = json.Unmarshal(body, &in)
		if run := in.Item[keyName].S; s.claimed[run] {
			status, text = http.StatusBadRequest, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}`
		} else {
			s.claimed[run] = true
		}
	case op == "UpdateItem":
		s.recorded = append(s.recorded, string(body))
	case strings.HasSuffix(r.URL.Path, "/ims/token/v3"):
		s.tokens++
		text = `{"access_token":"t","expires_in":3600}`
	case strings.Contains(r.URL.Path, "refused"):
		status = http.StatusForbidden
	case r.Header.Get("Authorization") == "Bearer t" && r.Header.Get("X-Sandbox-Name") == "prod" && r.URL.Query().Get("op") == "re-trigger":
		s.retriggered++
		text = `{"id":"made"}`
	default:
		status = http.StatusNotFound
	}
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(text))), 10))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func newFloor(t *testing.T) (*floor, *services) {
	t.Helper()
	s := &services{claimed: map[string]bool{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	amazon := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	})}
	return &floor{
		secrets: secretsmanager.NewFromConfig(amazon), table: dynamodb.NewFromConfig(amazon), http: server.Client(),
		secretID: "s", ledger: "l", ims: server.URL, flowService: server.URL,
	}, s
}

func event(run string) string {
	return fmt.Sprintf(`{"id":%q,"imsOrgId":"o@AdobeOrg","sandboxName":"prod"}`, run)
}

func TestABatchIsRetriggeredOnceAndAFailureComesBack(t *testing.T) {
	t.Parallel()
	f, s := newFloor(t)
	var records []string
	for i, run := range []string{"a", "b", "refused", "a"} {
		body, _ := json.Marshal(event(run))
		records = append(records, fmt.Sprintf(`{"messageId":"m%d","body":%s}`, i, body))
	}
	answer, err := f.handle(t.Context(), json.RawMessage(`{"Records":[`+strings.Join(records, ",")+`]}`))
	text, _ := json.Marshal(answer)
	if err != nil || string(text) != `{"batchItemFailures":[{"itemIdentifier":"m2"}]}` || s.retriggered != 2 || s.tokens != 1 || len(s.recorded) != 2 {
		t.Errorf("%s, %v; %d re-triggers, %d tokens, %d recorded", text, err, s.retriggered, s.tokens, len(s.recorded))
	}
	if s.reads != 0 {
		t.Errorf("%d reads", s.reads)
	}
	f.reads = true
	if _, err := f.handle(t.Context(), json.RawMessage(event("c"))); err != nil || s.reads != 1 || s.retriggered != 3 || !strings.Contains(s.recorded[2], `"made"`) {
		t.Errorf("a direct event: %v; %d re-triggers", err, s.retriggered)
	}
}
