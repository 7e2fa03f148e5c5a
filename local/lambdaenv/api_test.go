package lambdaenv_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// says is a function that gives one answer, and tells what it was invoked with.
type says struct {
	answer   lambdaenv.Response
	err      error
	payloads chan string
}

func (s says) Invoke(_ context.Context, payload []byte) (lambdaenv.Response, error) {
	s.payloads <- string(payload)
	return s.answer, s.err
}

// newAPI serves Invoke for a function, and returns a client of AWS's SDK.
func newAPI(t *testing.T, function lambdaenv.Invoker, onFailure func([]byte)) *lambda.Client {
	t.Helper()
	api := lambdaenv.NewAPI(function, func(_ context.Context, envelope []byte) error {
		onFailure(envelope)
		return nil
	})
	base, stop, err := api.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return lambda.New(lambda.Options{Region: awssim.Region, BaseEndpoint: &base, RetryMaxAttempts: 1, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	})})
}

func TestSDKInvokesTheFunctionByItsNameOrItsARN(t *testing.T) {
	t.Parallel()
	function := says{lambdaenv.Response{Payload: []byte(`{"results":[]}`)}, nil, make(chan string, 1)}
	client := newAPI(t, function, nil)
	for _, name := range []string{
		lambdaenv.FunctionName, lambdaenv.FunctionARN, lambdaenv.FunctionARN + ":$LATEST", lambdaenv.FunctionName + ":$LATEST",
		"123456789012:function:" + lambdaenv.FunctionName,
	} {
		out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"pauses":{}}`)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if out.StatusCode != http.StatusOK || string(out.Payload) != `{"results":[]}` || out.FunctionError != nil || aws.ToString(out.ExecutedVersion) != "$LATEST" {
			t.Errorf("%s: %d %s %v", name, out.StatusCode, out.Payload, out.FunctionError)
		}
		if got := <-function.payloads; got != `{"pauses":{}}` {
			t.Errorf("%s: the function got %s", name, got)
		}
	}
	if _, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(lambdaenv.FunctionName)}); err != nil {
		t.Fatal(err)
	}
	if got := <-function.payloads; got != "{}" {
		t.Errorf("without a payload the function got %q, want {}", got)
	}
}

func TestErrorOfTheFunctionIsToldApartFromItsAnswer(t *testing.T) {
	t.Parallel()
	document := `{"errorMessage":"no","errorType":"errorString"}`
	large := `"` + strings.Repeat("x", 7<<20) + `"`
	for name, tt := range map[string]struct {
		function lambdaenv.Response
		want     string
	}{
		"failed":           {lambdaenv.Response{Payload: []byte(document), FunctionError: "Unhandled"}, document},
		"answer too large": {lambdaenv.Response{Payload: []byte(large)}, "Function.ResponseSizeTooLarge"},
	} {
		client := newAPI(t, says{tt.function, nil, make(chan string, 1)}, nil)
		out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(lambdaenv.FunctionName)})
		if err != nil || out.StatusCode != http.StatusOK || aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), tt.want) {
			t.Errorf("%s: %v, %.200s, %v", name, out, out.Payload, err)
		}
	}
	client := newAPI(t, says{err: errors.New("no such binary"), payloads: make(chan string, 1)}, nil)
	_, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(lambdaenv.FunctionName)})
	if status(err) != http.StatusBadGateway || code(err) != "ServiceException" || !strings.Contains(err.Error(), "no such binary") {
		t.Errorf("no invocation: %v", err)
	}
}

func code(err error) string {
	if failed, is := errors.AsType[smithy.APIError](err); is {
		return failed.ErrorCode()
	}
	return ""
}

func status(err error) int {
	if failed, is := errors.AsType[*smithyhttp.ResponseError](err); is {
		return failed.HTTPStatusCode()
	}
	return 0
}

func TestInvokeRefusesWhatLambdaRefuses(t *testing.T) {
	t.Parallel()
	function := says{payloads: make(chan string)} // nothing reaches it
	client := newAPI(t, function, nil)
	name := aws.String(lambdaenv.FunctionName)
	for want, in := range map[string]*lambda.InvokeInput{
		"404 ResourceNotFoundException a":      {FunctionName: aws.String("another")},
		"404 ResourceNotFoundException b":      {FunctionName: aws.String(strings.Replace(lambdaenv.FunctionARN, "us-east-1", "eu-west-1", 1))},
		"404 ResourceNotFoundException c":      {FunctionName: name, Qualifier: aws.String("live")},
		"404 ResourceNotFoundException d":      {FunctionName: aws.String(lambdaenv.FunctionName + "-2")},
		"400 InvalidRequestContentException":   {FunctionName: name, Payload: []byte("runId: a")},
		"413 RequestTooLargeException a":       {FunctionName: name, Payload: []byte(`"` + strings.Repeat("x", 6<<20) + `"`)},
		"413 RequestTooLargeException b":       {FunctionName: name, InvocationType: types.InvocationTypeEvent, Payload: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)},
		"400 InvalidParameterValueException a": {FunctionName: name, InvocationType: "Later"},
		"400 InvalidParameterValueException b": {FunctionName: name, LogType: types.LogTypeTail},
	} {
		_, err := client.Invoke(t.Context(), in)
		wanted := strings.Fields(want)
		if wanted[0] != strconv.Itoa(status(err)) || code(err) != wanted[1] {
			t.Errorf("%s: %d %s, %v", want, status(err), code(err), err)
		}
	}
	out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name, InvocationType: types.InvocationTypeDryRun})
	if err != nil || out.StatusCode != http.StatusNoContent {
		t.Errorf("a dry run: %v, %v", out, err)
	}
	answer, err := http.Post(*client.Options().BaseEndpoint+"/2015-03-31/functions/"+*name+"/invocations", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _ = answer.Body.Close(); answer.StatusCode != http.StatusForbidden {
		t.Errorf("without a signature: %s", answer.Status)
	}
}

func TestEventIsDeliveredThreeTimesAndThenHandedOver(t *testing.T) {
	t.Parallel()
	function := says{lambdaenv.Response{Payload: []byte(`{"errorMessage":"no"}`), FunctionError: "Unhandled"}, nil, make(chan string, 3)}
	envelopes := make(chan []byte, 1)
	client := newAPI(t, function, func(envelope []byte) { envelopes <- envelope })
	out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(lambdaenv.FunctionName), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"runId":"a"}`)})
	if err != nil || out.StatusCode != http.StatusAccepted {
		t.Fatalf("%v, %v", out, err)
	}
	if envelope := string(<-envelopes); !strings.Contains(envelope, `"requestPayload":{"runId":"a"}`) || len(function.payloads) != 3 {
		t.Errorf("%d deliveries, then %s", len(function.payloads), envelope)
	}
}
