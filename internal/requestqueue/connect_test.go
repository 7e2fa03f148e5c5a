package requestqueue_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

// TestTheFirstMessageGoesOverTheConnectionThatWasOpenedAhead: the connection has TLS, and no
// call was made for it.
func TestTheFirstMessageGoesOverTheConnectionThatWasOpenedAhead(t *testing.T) {
	t.Parallel()
	simulated := awssim.New()
	queue := simulated.AddQueue(awssim.Queue{Name: "q"})
	var requests atomic.Int32
	var opened, used atomic.Value // the client's address
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		used.Store(r.RemoteAddr)
		simulated.ServeHTTP(w, r)
	}))
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.CompareAndSwap(nil, c.RemoteAddr().String())
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	if transport, ok := server.Client().Transport.(*http.Transport); ok {
		transport.MaxConnsPerHost = 1 // a call that comes before net/http keeps the connection waits for it
	}
	client := sqs.NewFromConfig(aws.Config{
		Region: awssim.Region, HTTPClient: server.Client(), BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	})
	if err := requestqueue.Connect(t.Context(), client, queue); err != nil || requests.Load() != 0 {
		t.Fatalf("%d requests were sent: %v", requests.Load(), err)
	}
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("a")}); err != nil {
		t.Fatal(err)
	}
	if opened.Load() != used.Load() {
		t.Errorf("the connection that was opened is %v, the message went over %v", opened.Load(), used.Load())
	}
	server.Close()
	if err := requestqueue.Connect(t.Context(), client, queue); err == nil {
		t.Error("a server that is gone is no error")
	}
}
