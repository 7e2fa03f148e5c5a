package main

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
	"github.com/aep-retrigger/aep-retrigger/local/stackfile"
)

func TestMinuteLineCountsWhatTheFunctionLogs(t *testing.T) {
	t.Parallel()
	var counts tally
	log := `{"outcome":"retriggered","runId":"a"}
{"outcome":"retriggered","reason":"duplicate","runId":"a"}
no record
{"outcome":"skipped","reason":"run_succeeded","recovered":true}
{"outcome":"dead_lettered","reason":"data_error"}
{"outcome":"deferred","reason":"retry_delay"}
`
	for part := range strings.SplitAfterSeq(log, ":") { // as a pipe hands it over
		_, _ = counts.Write([]byte(part))
	}
	if got := counts.String(); got != "re-triggered 1, recovered 1, given up 1" {
		t.Error(got)
	}
}

// TestTableForgetsWhatWasNotWrittenForTwoHours: of an item that was written anew, of the sums
// and of what has no time to live nothing is forgotten.
func TestTableForgetsWhatWasNotWrittenForTwoHours(t *testing.T) {
	t.Parallel()
	s, err := stack.Start(t.Context(), stack.Options{}) // without a function: nothing invokes it
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, now := newPruner(s), time.Now()
	put := func(key string, ttl time.Time) {
		t.Helper()
		item := map[string]types.AttributeValue{store.AttributeKey: &types.AttributeValueMemberS{Value: key}}
		if !ttl.IsZero() {
			item[store.AttributeTTL] = &types.AttributeValueMemberN{Value: strconv.FormatInt(ttl.Unix(), 10)}
		}
		if _, err := s.DynamoDB.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &p.table, Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		put(fmt.Sprintf("run#%d", i), now.Add(24*time.Hour))
	}
	put("day", now.Add(400*24*time.Hour))
	put("flow", time.Time{})
	put("busy", now.Add(24*time.Hour))
	for _, after := range []time.Duration{0, time.Hour, memory} {
		put("busy", now.Add(24*time.Hour+after))
		if err := p.prune(t.Context(), now.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	left, err := s.DynamoDB.Scan(t.Context(), &dynamodb.ScanInput{TableName: &p.table})
	if err != nil || len(left.Items) != 3 || len(p.seen) != 2 {
		t.Errorf("%d items are left, %v; %d are known", len(left.Items), err, len(p.seen))
	}
	if n, err := p.letters(t.Context()); err != nil || n != 0 {
		t.Errorf("%d dead letters, %v", n, err)
	}
}

func TestSecondStackOfAFolderIsRefusedWhileTheFirstOneLives(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "stack.json")
	if err := alone(path); err != nil {
		t.Errorf("without a file: %v", err)
	}
	s, err := stack.Start(t.Context(), stack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := stackfile.Write(path, stack.Describe(s)); err != nil {
		t.Fatal(err)
	}
	if err := alone(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("beside a living one: %v", err)
	}
	file := stack.Describe(s)
	address, err := url.Parse(file.Endpoints["lambda"])
	if err != nil {
		t.Fatal(err)
	}
	connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()                                               //nolint:errcheck // nothing was written
	file.Endpoints["lambda"] = "http://" + connection.LocalAddr().String() // no other program can begin to listen there
	if err := stackfile.Write(path, file); err != nil {
		t.Fatal(err)
	}
	if err := alone(path); err != nil {
		t.Errorf("after one that was killed: %v", err)
	}
}
