package headstart_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/headstart"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// accounts gives accounts, and waits before it does.
type accounts struct {
	all   []*credentials.Account
	after time.Duration
	panic bool
}

func (a accounts) All(context.Context) ([]*credentials.Account, []*credentials.Error) {
	if a.panic {
		panic("a defect")
	}
	<-time.After(a.after) // whatever the context says
	return a.all, nil
}

type noPauses struct{}

func (noPauses) PauseStatus(context.Context, string, string, time.Time) (throttle.PauseStatus, error) {
	return throttle.PauseStatus{}, nil
}

func start(a accounts) (headstart.Start, *bytes.Buffer) {
	log := new(bytes.Buffer)
	return headstart.Start{
		Accounts: a, Pauses: noPauses{}, Log: slog.New(slog.NewTextHandler(log, nil)),
		ConnectQueues: func(context.Context) error { return errors.New("no route") },
	}, log
}

func TestADefectDoesNotStopTheStart(t *testing.T) {
	t.Parallel()
	s, log := start(accounts{panic: true})
	s.Run(t.Context())
	for _, want := range []string{"a defect", "open a connection to SQS", "no route"} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("the log has %q not once: %s", want, log)
		}
	}
}

func TestWhatDoesNotListenToItsContextCostsTwoSecondsToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := start(accounts{after: time.Hour})
		began := time.Now()
		s.Run(t.Context())
		if took := time.Since(began); took != headstart.Limit {
			t.Errorf("the start took %s", took)
		}
		<-time.After(2 * time.Hour) // until the task is over
	})
}

// TestTokensAreFetchedForTenOrgsAtMost: most tokens of a start with many would not be used.
func TestTokensAreFetchedForTenOrgsAtMost(t *testing.T) {
	t.Parallel()
	var tokens atomic.Int32
	client := &http.Client{Transport: loopback.Transport{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		tokens.Add(1)
		_, _ = fmt.Fprint(w, `{"access_token":"t","token_type":"bearer","expires_in":86399}`)
	})}}
	var all accounts
	for i := range 30 {
		ims, err := flowclient.NewIMS(flowclient.Credentials{ClientID: "c", ClientSecret: "s", Scopes: []string{"openid"}}, flowclient.WithHTTPClient(client))
		if err != nil {
			t.Fatal(err)
		}
		one, err := flowclient.New(fmt.Sprint(i, "@AdobeOrg"), "c", ims, flowclient.WithHTTPClient(client))
		if err != nil {
			t.Fatal(err)
		}
		all.all = append(all.all, &credentials.Account{OrgID: fmt.Sprint(i, "@AdobeOrg"), Client: one})
	}
	s, _ := start(all)
	s.Run(t.Context())
	if n := tokens.Load(); n != 10 {
		t.Errorf("%d tokens were fetched, want 10", n)
	}
}

// TestARehearsalThatFailsIsOnlySaid: the start goes on, and takes no notice of what it did.
func TestARehearsalThatFailsIsOnlySaid(t *testing.T) {
	t.Parallel()
	s, log := start(accounts{})
	rehearsed, connected := 0, 0
	s.Rehearse = func(context.Context) error {
		rehearsed++
		return errors.New("no such table")
	}
	s.ConnectIMS = func(context.Context) error {
		connected++
		return errors.New("no such host")
	}
	s.Run(t.Context())
	if rehearsed != 1 || connected != 1 || !strings.Contains(log.String(), "no such table") || !strings.Contains(log.String(), "no such host") {
		t.Errorf("%d rehearsals and %d connections, want one each: %s", rehearsed, connected, log)
	}
	s.Observe = true
	s.Run(t.Context())
	if rehearsed != 2 || connected != 1 {
		t.Errorf("observing: %d rehearsals and %d connections, want two and one", rehearsed, connected)
	}
}
