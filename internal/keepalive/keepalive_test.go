package keepalive_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/aep-retrigger/aep-retrigger/internal/keepalive"
)

// slowWriter is a connection whose second write, that of a request's body, returns only when
// the answer is being read: as on a machine that has other things to do just then.
type slowWriter struct {
	net.Conn

	answered <-chan struct{}
	writes   int
}

func (c *slowWriter) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.writes++; c.writes == 2 {
		<-c.answered
	}
	return n, err
}

// answerBody is an answer that is read only when the request is done with.
type answerBody struct {
	io.ReadCloser

	begin func()
	wrote <-chan struct{}
}

func (b answerBody) Read(p []byte) (int, error) {
	b.begin()
	<-b.wrote
	return b.ReadCloser.Read(p)
}

// doer is an HTTP client of which the request ends after the answer has begun.
type doer struct {
	*http.Client

	begin func()
	wrote chan struct{}
	err   error // of the writing
}

func (d *doer) Do(r *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		d.err = info.Err
		close(d.wrote)
	}}
	response, err := d.Client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace))) //nolint:gosec // the test's own server
	if err == nil {
		response.Body = answerBody{response.Body, d.begin, d.wrote}
	}
	return response, err
}

// send makes a call whose answer begins while its request is being written. It returns what
// the writing ended with: after an error, the transport closes the connection.
func send(t *testing.T, options []func(*middleware.Stack) error) error {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, `{"TableNames":["a"]}`)
	}))
	t.Cleanup(server.Close)
	answered := make(chan struct{})
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &slowWriter{Conn: conn, answered: answered}, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	d := &doer{Client: &http.Client{Transport: transport}, begin: sync.OnceFunc(func() { close(answered) }), wrote: make(chan struct{})}
	client := dynamodb.NewFromConfig(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, HTTPClient: d, APIOptions: options, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	if out, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{Limit: aws.Int32(1)}); err != nil || len(out.TableNames) != 1 {
		t.Fatalf("the answer is %+v, %v", out, err)
	}
	return d.err
}

func TestAnAnswerThatComesFastKeepsItsConnection(t *testing.T) {
	t.Parallel()
	if err := send(t, keepalive.Options()); err != nil {
		t.Errorf("the request ended with %q", err)
	}
}

// TestTheAWSClientStillNeedsThis: When this fails, the AWS client has mended it, and the
// package can go.
func TestTheAWSClientStillNeedsThis(t *testing.T) {
	t.Parallel()
	if err := send(t, nil); err != io.EOF { //nolint:errorlint // the very error
		t.Errorf("the request ended with %v, want io.EOF", err)
	}
}

// TestTheSignerReadsTheBodyWithoutABuffer: where a body can't write itself, the signer takes 32 KiB.
func TestTheSignerReadsTheBodyWithoutABuffer(t *testing.T) {
	t.Parallel()
	signed := false
	look := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if request, ok := in.Request.(*smithyhttp.Request); ok {
			_, signed = request.GetStream().(io.WriterTo)
		}
		return next.HandleFinalize(ctx, in)
	}
	options := append(keepalive.Options(), func(stack *middleware.Stack) error {
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("Look", look), middleware.After)
	})
	if err := send(t, options); err != nil || !signed {
		t.Errorf("the body of the request that is signed writes itself: %t, %v", signed, err)
	}
}

func TestAConnectionThatIsOpenedAgainResumesItsTLSSession(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	trusting, ok := server.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatalf("the server's client has a %T", server.Client().Transport)
	}
	client := keepalive.Client().WithTransportOptions(func(t *http.Transport) { t.TLSClientConfig.RootCAs = trusting.TLSClientConfig.RootCAs })
	for _, resumes := range []bool{false, true} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Close = true
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.TLS.DidResume != resumes {
			t.Errorf("the session was resumed: %t, want %t", response.TLS.DidResume, resumes)
		}
	}
}
