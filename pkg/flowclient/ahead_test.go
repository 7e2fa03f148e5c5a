package flowclient_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/pkg/dialahead"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// TestATokenIsFetchedOverAConnectionThatWasOpenedBeforeItsCredentialWasKnown: of two
// credentials the second one uses it, too.
func TestATokenIsFetchedOverAConnectionThatWasOpenedBeforeItsCredentialWasKnown(t *testing.T) {
	t.Parallel()
	var connections, requests atomic.Int32
	ims := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = fmt.Fprint(w, `{"access_token":"t","token_type":"bearer","expires_in":86399}`)
	}))
	ims.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	ims.Start()
	t.Cleanup(ims.Close)
	shared := &http.Client{Transport: flowclient.NewTransport()}
	t.Cleanup(shared.CloseIdleConnections)
	if err := dialahead.Open(t.Context(), shared, ims.URL); err != nil || requests.Load() != 0 {
		t.Fatalf("%d connections, %d requests, %v", connections.Load(), requests.Load(), err)
	}
	for _, id := range []string{"a", "b"} {
		source, err := flowclient.NewIMS(
			flowclient.Credentials{ClientID: id, ClientSecret: "s", Scopes: []string{"openid"}},
			flowclient.WithIMSURL(ims.URL), flowclient.WithIMSHTTPClient(shared), flowclient.WithHTTPClient(&http.Client{Transport: refusing{}}),
		)
		if err != nil {
			t.Fatal(err)
		}
		if token, err := source.Token(t.Context()); err != nil || token != "t" {
			t.Errorf("the token of %s is %q, %v", id, token, err)
		}
	}
	if connections.Load() != 1 || requests.Load() != 2 {
		t.Errorf("%d connections and %d requests, want one and two", connections.Load(), requests.Load())
	}
}

// refusing sends nothing.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, http.ErrServerClosed
}
