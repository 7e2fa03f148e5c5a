package notice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// maxEntries is the most events that PutEvents takes in one call. Together they may have
// 1 MB, and ten notices have less, since their texts are cut.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
const maxEntries = 10

// busFresh is how long the bus counts as there after EventBridge has said so.
const busFresh = time.Minute

// EventBridge is the part of the AWS client that a Bus uses.
type EventBridge interface {
	PutEvents(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
	DescribeEventBus(context.Context, *eventbridge.DescribeEventBusInput, ...func(*eventbridge.Options)) (*eventbridge.DescribeEventBusOutput, error)
}

// Bus sends notices to one EventBridge bus. It is safe for concurrent use. Make it with
// [NewBus]; nil is the bus of a function that has none, and sends nothing.
type Bus struct {
	name   string
	client func() EventBridge
	now    func() time.Time

	mu   sync.Mutex
	seen time.Time // when EventBridge last said that the bus exists
}

// NewBus returns the bus of a name or an ARN; nil where the name is empty, which means that
// notices are off. The client is made when the first notice is sent: most processes send
// none. now is the clock.
func NewBus(name string, client func() EventBridge, now func() time.Time) *Bus {
	if name == "" {
		return nil
	}
	return &Bus{name: name, client: sync.OnceValue(client), now: now}
}

// Enabled reports whether notices are sent at all. Who keeps a notice for later asks this
// first.
func (b *Bus) Enabled() bool { return b != nil }

// Send sends the notices, ten in a call. It returns nil if EventBridge has taken all of
// them; otherwise any of them may have been taken, and the caller sends all of them again
// later. They have the same ids then, so that a receiver can tell.
//
// The error is a [*BusError] where a person must mend the bus or the function's permission.
// The AWS client repeats a call that was throttled, or met a fault of EventBridge, by
// itself. No error quotes a notice.
func (b *Bus) Send(ctx context.Context, notices ...Notice) error {
	if b == nil || len(notices) == 0 {
		return nil
	}
	if err := b.exists(ctx); err != nil {
		return err
	}
	var errs []error
	for batch := range slices.Chunk(notices, maxEntries) {
		if err := b.put(ctx, batch); err != nil {
			errs = append(errs, err)
			if _, ok := errors.AsType[*BusError](err); ok {
				break // the next batch would fail in the same way
			}
		}
	}
	return errors.Join(errs...)
}

// exists asks EventBridge whether the bus is there, since PutEvents answers 200 for a bus
// that is not, and drops the events (https://github.com/aws/aws-sdk/issues/186). Who may not
// ask, or gets no answer, sends without: that is no worse than not asking.
func (b *Bus) exists(ctx context.Context) error {
	b.mu.Lock()
	fresh := b.now().Sub(b.seen) < busFresh
	b.mu.Unlock()
	if fresh {
		return nil
	}
	_, err := b.client().DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: &b.name})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return &BusError{Bus: b.name, Missing: true, Err: err}
	}
	if err == nil {
		b.mu.Lock()
		b.seen = b.now()
		b.mu.Unlock()
	}
	return nil
}

// put sends at most ten notices.
func (b *Bus) put(ctx context.Context, notices []Notice) error {
	entries := make([]types.PutEventsRequestEntry, 0, len(notices))
	for _, n := range notices {
		if timestamp(n.At) == "" {
			n.At = b.now()
		}
		detail, err := n.detail()
		if err != nil {
			return fmt.Errorf("notice %s: %w", n.ID, err)
		}
		entries = append(entries, types.PutEventsRequestEntry{
			EventBusName: &b.name, Source: aws.String(event.EventSource), DetailType: aws.String(string(n.Kind)),
			Detail: aws.String(string(detail)), Time: aws.Time(n.At.UTC()),
		})
	}
	out, err := b.client().PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries})
	if err != nil {
		if answer, ok := errors.AsType[smithy.APIError](err); ok && isDenied(answer.ErrorCode()) {
			return &BusError{Bus: b.name, Err: err}
		}
		return fmt.Errorf("send notices to the event bus %s: %w", b.name, err)
	}
	return b.refused(out)
}

// refused is the error of an answer in which some entries have failed.
func (b *Bus) refused(out *eventbridge.PutEventsOutput) error {
	if out.FailedEntryCount == 0 {
		return nil
	}
	for _, e := range out.Entries {
		if e.ErrorCode == nil {
			continue
		}
		err := fmt.Errorf("EventBridge did not take %d of %d: %s: %s", out.FailedEntryCount, len(out.Entries), *e.ErrorCode, shown(aws.ToString(e.ErrorMessage), maxText))
		if isDenied(*e.ErrorCode) {
			return &BusError{Bus: b.name, Err: err}
		}
		return fmt.Errorf("send notices to the event bus %s: %w", b.name, err)
	}
	return fmt.Errorf("send notices to the event bus %s: EventBridge did not take %d of %d and does not say why", b.name, out.FailedEntryCount, len(out.Entries))
}

// isDenied recognizes the codes of a missing permission:
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html.
func isDenied(code string) bool {
	return slices.Contains([]string{"AccessDeniedException", "AccessDenied", "NotAuthorizedForSourceException", "NotAuthorizedForDetailTypeException"}, code)
}

// BusError means that no notice can be sent until a person has mended something: the bus is
// not there, or the function may not write to it.
type BusError struct {
	// Bus is the name or ARN as it is configured.
	Bus string
	// Missing means that the bus is not there; otherwise the permission is missing.
	Missing bool
	// Err is EventBridge's answer.
	Err error
}

// Error names the bus, and what to do.
func (e *BusError) Error() string {
	if e.Missing {
		return fmt.Sprintf("the event bus %q does not exist, so no notice can be sent: make the bus again, or change NOTICE_BUS (template parameter NoticeBusName)", e.Bus)
	}
	return fmt.Sprintf("the function may not send notices to the event bus %q: allow it events:PutEvents on this bus, in its role and, for another account's bus, in the policy of the bus: %v", e.Bus, e.Err)
}

// Unwrap returns EventBridge's answer.
func (e *BusError) Unwrap() error { return e.Err }
