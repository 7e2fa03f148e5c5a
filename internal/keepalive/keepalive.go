// Package keepalive keeps the AWS client's connections open for the next call.
//
// Without it, a call whose answer comes fast now and then loses its connection, and with it the
// rest of the answer: the client sends the call again. The AWS client closes a request's body
// when the answer begins, and a closed body says io.EOF as an error where the transport looks
// whether the body has ended (WriteTo in smithy-go v1.28.9, transport/http/internal/io/safe.go).
// The transport takes that for a failed request and closes the connection.
package keepalive

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Options are for the APIOptions of an AWS client's configuration. With them the transport
// reads the body of a request, which may end at any time, and does not have it write itself.
// The signer still does: it would take 32 KiB for each call to read the body.
func Options() []func(*middleware.Stack) error {
	return []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("PlainBody", plainBody), middleware.After)
	}}
}

// sessions are the TLS sessions that are kept, one for each host.
const sessions = 8

// Client is an HTTP client of the SDK that resumes TLS sessions: a connection that is opened
// again, as all are after Lambda has frozen the process for long, takes less CPU time.
func Client() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	})
}

func plainBody(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	if request, ok := in.Request.(*smithyhttp.Request); ok {
		if body, ok := request.GetStream().(io.ReadSeeker); ok {
			plain, err := request.SetStream(struct{ io.ReadSeeker }{body}) // without WriteTo
			if err != nil {
				return middleware.DeserializeOutput{}, middleware.Metadata{}, err
			}
			in.Request = plain
		}
	}
	return next.HandleDeserialize(ctx, in)
}
