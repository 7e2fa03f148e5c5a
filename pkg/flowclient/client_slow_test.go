//go:build slow

package flowclient_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

func TestGzip(t *testing.T) {
	t.Parallel()
	write := func(w http.ResponseWriter, body string) {
		w.Header().Set("Content-Encoding", "gzip")
		zipped := gzip.NewWriter(w)
		_, _ = io.WriteString(zipped, body)
		_ = zipped.Close()
	}
	client := newClient(t, func(w http.ResponseWriter, _ *http.Request) { write(w, `{"id":"x"}`) })
	if run, err := client.Run(t.Context(), sandbox, runID); err != nil || run.ID != "x" {
		t.Errorf("got %+v, %v", run, err)
	}
	bomb := newClient(t, func(w http.ResponseWriter, _ *http.Request) { write(w, strings.Repeat(" ", 9<<20)) })
	if _, err := bomb.Run(t.Context(), sandbox, runID); !errors.Is(err, flowclient.KindTooLarge) {
		t.Errorf("bomb: got %v", err)
	}
}
