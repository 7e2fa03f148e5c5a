package notice_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// vault is a Secrets Manager with one secret.
type vault struct{}

func (vault) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(`{"client_id":"client","client_secret":"never-shown","org_id":"A@AdobeOrg","scopes":"openid"}`)}, nil
}

// refusing is a process's accounts that are watched, and how they meet a refusal.
type refusing struct {
	accounts notice.Accounts
	bridge   *bridge
	log      *bytes.Buffer
}

func newRefusing(table notice.Store, bus *notice.Bus, b *bridge, clock *time.Time) refusing {
	now := func() time.Time { return *clock }
	client := func(orgID string, c flowclient.Credentials) (*flowclient.Client, error) {
		tokens, err := flowclient.NewIMS(c)
		if err != nil {
			return nil, err
		}
		return flowclient.New(orgID, c.ClientID, tokens)
	}
	var log bytes.Buffer
	accounts := credentials.NewStore(vault{}, []string{"aep/ims"}, client, time.Hour, now)
	return refusing{notice.Watch(accounts, bus, table, now, slog.New(slog.NewTextHandler(&log, nil))), b, &log}
}

// meet lets Adobe's gateway refuse the credential.
func (r refusing) meet(t *testing.T) {
	t.Helper()
	account, err := r.accounts.ForOrg(t.Context(), "A@AdobeOrg")
	if err == nil {
		_, err = r.accounts.Renew(t.Context(), account, &flowclient.Error{
			Op: flowclient.OpRetrigger, Kind: flowclient.KindUnauthorized, Status: 403, Code: "403003", Message: "Api Key is invalid",
		})
	}
	if fault, ok := errors.AsType[*credentials.Error](err); !ok || fault.Kind != credentials.Refused {
		t.Fatalf("%v, want a refusal", err)
	}
}

func TestARefusedCredentialIsToldOnceADay(t *testing.T) {
	t.Parallel()
	b, table := &bridge{}, memory.New()
	to, clock := bus(b)
	one, other := newRefusing(table, to, b, clock), newRefusing(table, to, b, clock)
	for range 5 {
		one.meet(t)
		other.meet(t)
		*clock = clock.Add(2 * time.Hour)
	}
	if len(b.calls) != 1 {
		t.Fatalf("%d notices in a day, want 1; %s", len(b.calls), one.log)
	}
	*clock = clock.Add(24 * time.Hour)
	other.meet(t)
	if len(b.calls) != 2 {
		t.Errorf("%d notices in two days, want 2", len(b.calls))
	}
	var d map[string]any
	if err := json.Unmarshal([]byte(*b.calls[0][0].Detail), &d); err != nil {
		t.Fatal(err)
	}
	step, _ := d["nextStep"].(string)
	if d["orgId"] != "A@AdobeOrg" || d["code"] != "403003" || d["text"] != "Api Key is invalid" || !strings.Contains(step, "aep/ims") || d["flowId"] != nil || d["count"] != nil {
		t.Errorf("%v", d)
	}
	if strings.Contains(*b.calls[0][0].Detail, "never-shown") {
		t.Error("the notice has the client secret")
	}
}

// TestANoticeThatCannotBeSentIsSentLater: the request meets its refusal as without a bus.
func TestANoticeThatCannotBeSentIsSentLater(t *testing.T) {
	t.Parallel()
	b := &bridge{describe: &types.ResourceNotFoundException{}}
	to, clock := bus(b)
	r := newRefusing(memory.New(), to, b, clock)
	for range 3 {
		r.meet(t)
	}
	if n := strings.Count(r.log.String(), "NOTICE_BUS"); n != 1 || b.asked != 1 {
		t.Errorf("%d log records and %d questions in a minute, want 1: %s", n, b.asked, r.log)
	}
	b.describe = nil
	*clock = clock.Add(2 * time.Minute)
	r.meet(t)
	if len(b.calls) != 1 {
		t.Errorf("%d notices after the bus is there again", len(b.calls))
	}
}

// noTable is a ledger's table that fails.
type noTable struct{ reads, writes error }

func (n noTable) Read(context.Context, ...string) ([]store.Record, error) { return nil, n.reads }
func (n noTable) Commit(context.Context, ...store.Write) error            { return n.writes }

func TestWithoutTheLedgerTheNoticeIsSentOnceAtMost(t *testing.T) {
	t.Parallel()
	gone := &store.UnavailableError{Op: "read", Err: errors.New("gone")}
	for name, tt := range map[string]struct {
		table noTable
		want  int
	}{"reads fail": {noTable{reads: gone}, 0}, "writes fail": {noTable{writes: gone}, 1}} {
		b := &bridge{}
		to, clock := bus(b)
		r := newRefusing(tt.table, to, b, clock)
		for range 5 {
			r.meet(t)
			*clock = clock.Add(2 * time.Minute)
		}
		if len(b.calls) != tt.want || !strings.Contains(r.log.String(), "gone") {
			t.Errorf("%s: %d notices, want %d; %s", name, len(b.calls), tt.want, r.log)
		}
	}
}

// TestABusThatHangsHoldsARequestUpForTwoSeconds: other requests of the org do not wait.
func TestABusThatHangsHoldsARequestUpForTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := notice.NewBus("notices", func() notice.EventBridge { return hanging{} }, time.Now)
		clock := time.Now()
		r := newRefusing(memory.New(), to, nil, &clock)
		began := time.Now()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { r.meet(t) })
		}
		all.Wait()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// hanging answers nothing until the caller gives up.
type hanging struct{}

func (hanging) PutEvents(ctx context.Context, _ *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) DescribeEventBus(ctx context.Context, _ *eventbridge.DescribeEventBusInput, _ ...func(*eventbridge.Options)) (*eventbridge.DescribeEventBusOutput, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestWithoutABusRefusalsAreNotWatched(t *testing.T) {
	t.Parallel()
	accounts := credentials.NewStore(vault{}, []string{"aep/ims"}, nil, time.Hour, time.Now)
	if notice.Watch(accounts, nil, nil, time.Now, slog.Default()) != notice.Accounts(accounts) {
		t.Error("without a bus the accounts are wrapped")
	}
}
