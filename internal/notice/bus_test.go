package notice_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"github.com/aep-retrigger/aep-retrigger/internal/notice"
)

// bridge answers as EventBridge; put and describe stand in for its answers.
type bridge struct {
	calls    [][]types.PutEventsRequestEntry
	asked    int
	put      func(*eventbridge.PutEventsInput) (*eventbridge.PutEventsOutput, error)
	describe error
}

func (b *bridge) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	b.calls = append(b.calls, in.Entries)
	if b.put != nil {
		return b.put(in)
	}
	return &eventbridge.PutEventsOutput{Entries: make([]types.PutEventsResultEntry, len(in.Entries))}, nil
}

func (b *bridge) DescribeEventBus(context.Context, *eventbridge.DescribeEventBusInput, ...func(*eventbridge.Options)) (*eventbridge.DescribeEventBusOutput, error) {
	b.asked++
	return &eventbridge.DescribeEventBusOutput{}, b.describe
}

var now = time.Date(2026, 11, 26, 9, 30, 0, 0, time.UTC)

// bus is a bus called notices on b, and a clock that the test may move.
func bus(b *bridge) (*notice.Bus, *time.Time) {
	clock := now
	return notice.NewBus("notices", func() notice.EventBridge { return b }, func() time.Time { return clock }), &clock
}

func failing(n int) []notice.Notice {
	list := make([]notice.Notice, n)
	for i := range list {
		list[i] = notice.Notice{Kind: notice.Failing, ID: notice.ID(notice.Failing, "flow"), At: now, OrgID: "org@AdobeOrg", FlowID: "flow"}
	}
	return list
}

func TestNoticesAreSentTenInACall(t *testing.T) {
	t.Parallel()
	b := &bridge{}
	to, _ := bus(b)
	if err := to.Send(t.Context(), failing(23)...); err != nil {
		t.Fatal(err)
	}
	if len(b.calls) != 3 || len(b.calls[0]) != 10 || len(b.calls[1]) != 10 || len(b.calls[2]) != 3 {
		t.Fatalf("%d calls", len(b.calls))
	}
	e := b.calls[0][0]
	if *e.EventBusName != "notices" || *e.Source != "aep-retrigger" || *e.DetailType != "Dataflow Failing" || !e.Time.Equal(now) || !json.Valid([]byte(*e.Detail)) {
		t.Errorf("%+v", e)
	}
}

func TestWithoutABusNothingIsSent(t *testing.T) {
	t.Parallel()
	none := notice.NewBus("", func() notice.EventBridge { t.Error("a client was made"); return nil }, time.Now)
	if err := none.Send(t.Context(), failing(1)...); err != nil || none.Enabled() {
		t.Errorf("%v, enabled %t", err, none.Enabled())
	}
	b := &bridge{}
	to, _ := bus(b)
	if err := to.Send(t.Context()); err != nil || b.asked+len(b.calls) > 0 || !to.Enabled() {
		t.Errorf("no notice: %v, %d calls", err, b.asked+len(b.calls))
	}
}

// TestABusThatIsGoneIsAnErrorThatNamesIt: PutEvents answers 200 for a bus that does not
// exist, so the function asks.
func TestABusThatIsGoneIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	b := &bridge{describe: &types.ResourceNotFoundException{}}
	to, clock := bus(b)
	err := to.Send(t.Context(), failing(1)...)
	broken, ok := errors.AsType[*notice.BusError](err)
	if !ok || !broken.Missing || len(b.calls) > 0 || !strings.Contains(err.Error(), `"notices"`) || !strings.Contains(err.Error(), "NOTICE_BUS") {
		t.Fatalf("%v, %d calls", err, len(b.calls))
	}
	b.describe = nil
	for range 3 {
		if err := to.Send(t.Context(), failing(1)...); err != nil {
			t.Fatal(err)
		}
	}
	if b.asked != 2 {
		t.Errorf("asked %d times, want once more for three sends in a minute", b.asked)
	}
	*clock = clock.Add(2 * time.Minute)
	b.describe = &types.ResourceNotFoundException{}
	if err := to.Send(t.Context(), failing(1)...); err == nil {
		t.Error("a bus that was deleted meanwhile is not noticed")
	}
}

func TestABusThatCannotBeAskedForIsWrittenTo(t *testing.T) {
	t.Parallel()
	b := &bridge{describe: &smithy.GenericAPIError{Code: "AccessDeniedException"}}
	to, _ := bus(b)
	if err := to.Send(t.Context(), failing(1)...); err != nil || len(b.calls) != 1 {
		t.Errorf("%v, %d calls", err, len(b.calls))
	}
}

func TestAMissingPermissionIsOneErrorThatNamesBusAndAction(t *testing.T) {
	t.Parallel()
	code, message := "AccessDeniedException", "User is not authorized"
	for name, put := range map[string]func(*eventbridge.PutEventsInput) (*eventbridge.PutEventsOutput, error){
		"of the call": func(*eventbridge.PutEventsInput) (*eventbridge.PutEventsOutput, error) {
			return nil, &smithy.GenericAPIError{Code: code, Message: message}
		},
		"of an entry": func(*eventbridge.PutEventsInput) (*eventbridge.PutEventsOutput, error) {
			return &eventbridge.PutEventsOutput{FailedEntryCount: 1, Entries: []types.PutEventsResultEntry{{ErrorCode: &code, ErrorMessage: &message}}}, nil
		},
	} {
		b := &bridge{put: put}
		to, _ := bus(b)
		err := to.Send(t.Context(), failing(30)...)
		if broken, ok := errors.AsType[*notice.BusError](err); !ok || broken.Missing || len(b.calls) != 1 {
			t.Errorf("%s: %v, %d calls", name, err, len(b.calls))
		}
		for _, part := range []string{"events:PutEvents", `"notices"`, message} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in %v", name, part, err)
			}
		}
	}
}

func TestAnEntryThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	code := "InternalFailure"
	b := &bridge{}
	b.put = func(in *eventbridge.PutEventsInput) (*eventbridge.PutEventsOutput, error) {
		out := &eventbridge.PutEventsOutput{Entries: make([]types.PutEventsResultEntry, len(in.Entries))}
		if len(b.calls) == 1 {
			out.FailedEntryCount, out.Entries[4].ErrorCode = 1, &code
		}
		return out, nil
	}
	to, _ := bus(b)
	err := to.Send(t.Context(), failing(20)...)
	if err == nil || !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), "1 of 10") || errors.As(err, new(*notice.BusError)) {
		t.Errorf("%v", err)
	}
	if len(b.calls) != 2 {
		t.Errorf("%d calls: the other batch was not sent", len(b.calls))
	}
}
