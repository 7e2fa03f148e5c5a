package lambdaenv_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// answers is a function that answers by the batch that it is given.
type answers func(records []event.SQSRecord) (lambdaenv.Response, error)

func (a answers) Invoke(_ context.Context, payload []byte) (lambdaenv.Response, error) {
	records, _, err := event.SQSRecords(payload)
	if err != nil {
		return lambdaenv.Response{}, err
	}
	return a(records)
}

func payload(text string) answers {
	return func([]event.SQSRecord) (lambdaenv.Response, error) {
		return lambdaenv.Response{Payload: []byte(text)}, nil
	}
}

func TestPollerFollowsLambdasRulesForPartialBatches(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		function answers
		left     int // of three messages
		fails    bool
	}{
		"empty list": {payload(`{"batchItemFailures":[]}`), 0, false},
		"no list":    {payload(`{}`), 0, false},
		"null":       {payload(`null`), 0, false},
		"one":        {name(0), 1, false},
		"all":        {name(0, 1, 2), 3, false},
		"unknown id": {payload(`{"batchItemFailures":[{"itemIdentifier":"x"}]}`), 3, true},
		"empty id":   {payload(`{"batchItemFailures":[{"itemIdentifier":""}]}`), 3, true},
		"null id":    {payload(`{"batchItemFailures":[{"itemIdentifier":null}]}`), 3, true},
		"no JSON":    {payload(`done`), 3, true},
		"error": {func([]event.SQSRecord) (lambdaenv.Response, error) {
			return lambdaenv.Response{Payload: []byte(`{}`), FunctionError: "Unhandled"}, nil
		}, 3, true},
		"not invoked": {func([]event.SQSRecord) (lambdaenv.Response, error) {
			return lambdaenv.Response{}, errors.New("throttled")
		}, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, client, url := newQueue(t)
			for i := range 3 {
				if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strconv.Itoa(i))}); err != nil {
					t.Fatal(err)
				}
			}
			mapping := lambdaenv.Mapping{SQS: client, QueueURL: url, BatchSize: 10, Invoker: tt.function}
			received, deleted, err := mapping.Poll(t.Context(), 0)
			if (err != nil) != tt.fails || received != 3 || deleted != 3-tt.left || len(sim.Messages(url)) != tt.left {
				t.Errorf("Poll() = %d, %d, %v with %d left; want %d left", received, deleted, err, len(sim.Messages(url)), tt.left)
			}
		})
	}
}

// newQueue serves a queue on loopback for the test.
func newQueue(t *testing.T) (sim *awssim.Server, client *sqs.Client, url string) {
	t.Helper()
	sim = awssim.New()
	base, stop, err := sim.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	url = sim.AddQueue(awssim.Queue{Name: "q", VisibilityTimeout: time.Minute})
	return sim, sqs.New(sqs.Options{Region: awssim.Region, BaseEndpoint: &base, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	})}), url
}

// name answers with the ids of some messages.
func name(places ...int) answers {
	return func(records []event.SQSRecord) (lambdaenv.Response, error) {
		var ids []string
		for _, i := range places {
			ids = append(ids, `{"itemIdentifier":"`+records[i].MessageID+`"}`)
		}
		return lambdaenv.Response{Payload: []byte(`{"batchItemFailures":[` + strings.Join(ids, ",") + `]}`)}, nil
	}
}

// sender sends a message on with each invocation, as the SDK does within Lambda.
type sender struct {
	client *sqs.Client
	url    string
}

func (s sender) Invoke(ctx context.Context, _ []byte) (lambdaenv.Response, error) {
	_, err := s.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.url, MessageBody: aws.String("on")}, func(o *sqs.Options) {
		o.HTTPClient = header{lambdaenv.Trace(ctx)}
	})
	return lambdaenv.Response{Payload: []byte(`{}`)}, err
}

type header struct{ trace string }

func (h header) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set(lambdaenv.TraceHeader, h.trace)
	return http.DefaultClient.Do(r) //nolint:gosec // it goes to loopback
}

// TestChainOfMessagesEndsAfterSixteenInvocations: Lambda allows longer chains only where
// loops are allowed.
func TestChainOfMessagesEndsAfterSixteenInvocations(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{false, true} {
		_, client, url := newQueue(t)
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("first")}); err != nil {
			t.Fatal(err)
		}
		mapping := lambdaenv.Mapping{SQS: client, QueueURL: url, BatchSize: 10, Invoker: sender{client, url}, AllowLoops: allowed}
		for i := range 20 {
			_, _, err := mapping.Poll(t.Context(), 0)
			recursion, ended := errors.AsType[*lambdaenv.RecursionError](err)
			switch {
			case ended && (allowed || i != 16 || recursion.Chain != 17):
				t.Errorf("loops allowed %t: invocation %d: %v", allowed, i+1, err)
			case !ended && (err != nil || !allowed && i == 16):
				t.Errorf("loops allowed %t: invocation %d: error = %v", allowed, i+1, err)
			}
		}
	}
}

// calls fails a number of times.
type calls struct{ failures, seen int }

func (c *calls) Invoke(context.Context, []byte) (lambdaenv.Response, error) {
	if c.seen++; c.seen <= c.failures {
		return lambdaenv.Response{Payload: []byte(`{"errorMessage":"no"}`), FunctionError: "Unhandled"}, nil
	}
	return lambdaenv.Response{Payload: []byte(`{}`)}, nil
}

func TestAsynchronousInvocation(t *testing.T) {
	t.Parallel()
	for failures, wantSeen := range map[int]int{0: 1, 1: 2, 2: 3, 3: 3} {
		function := &calls{failures: failures}
		var envelopes []string
		err := lambdaenv.InvokeAsync(t.Context(), function, []byte(`{"runId":"run"}`), func(envelope []byte) error {
			envelopes = append(envelopes, string(envelope))
			return nil
		})
		if err != nil || function.seen != wantSeen || len(envelopes) != max(failures-2, 0) {
			t.Errorf("%d failures: %d invocations, %d envelopes, %v", failures, function.seen, len(envelopes), err)
		}
		for _, envelope := range envelopes {
			decoded, err := event.Decode([]byte(envelope))
			if err != nil || len(decoded.Items) != 1 || decoded.Items[0].Request == nil || decoded.Items[0].Request.RunID != "run" {
				t.Errorf("%s reads as %+v, %v", envelope, decoded, err)
			}
		}
	}
}
