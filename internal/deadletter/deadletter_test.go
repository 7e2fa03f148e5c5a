package deadletter_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
)

// box keeps the last message that was sent to it.
type box struct{ in *sqs.SendMessageInput }

func (b *box) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	b.in = in
	return &sqs.SendMessageOutput{}, nil
}

// send sends a letter and returns the message.
func send(t interface {
	Fatal(args ...any)
	Helper()
}, m deadletter.Message,
) (body string, attributes map[string]types.MessageAttributeValue) {
	t.Helper()
	var b box
	if err := deadletter.NewQueue(&b, "u").Send(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	return *b.in.MessageBody, b.in.MessageAttributes
}

// unreadable is the letter of a payload.
func unreadable(payload string) deadletter.Message {
	return deadletter.Message{
		Payload: []byte(payload), Reason: "unreadable", Detail: "the payload is not JSON: " + strings.Repeat("é", 400), FirstTime: time.Now(), LastTime: time.Now(),
	}
}

// TestDeadLetterFitsTheRequestQueueWithItsAttributes: attributes give way to the body, and
// the reason never does.
func TestDeadLetterFitsTheRequestQueueWithItsAttributes(t *testing.T) {
	t.Parallel()
	for _, left := range []int{20_000, 900, 400, 200, 97, 96, 60, 22} {
		payload := strings.Repeat("x", sqstext.MaxRequest-left)
		body, attributes := send(t, unreadable(payload))
		if size := sqstext.Size(body, attributes); size > sqstext.MaxRequest {
			t.Errorf("with %d bytes left the letter has %d bytes, more than %d", left, size, sqstext.MaxRequest)
		}
		if reason, there := attributes["reason"]; body != payload || !there || *reason.StringValue != "unreadable" {
			t.Errorf("with %d bytes left the letter has %d bytes of %d and the reason %v", left, len(body), len(payload), reason.StringValue)
		}
		text, there := attributes["error"]
		if want := left >= 22+75; there != want || there && (len(*text.StringValue) < 63 || !strings.HasPrefix(*text.StringValue, "the payload is not JSON") || !utf8.ValidString(*text.StringValue)) {
			t.Errorf("with %d bytes left the error is there: %t, want %t", left, there, want)
		}
	}
	if _, attributes := send(t, unreadable("short")); len(attributes) != 4 {
		t.Errorf("a short letter has the attributes %v", attributes)
	}
}

// TestDeadLetterOfTheLargestMessageFits: it fits the dead-letter queue,
// and its body fits the request queue.
func TestDeadLetterOfTheLargestMessageFits(t *testing.T) {
	t.Parallel()
	for _, left := range []int{0, 1, 21} {
		body, attributes := send(t, unreadable(`"`+strings.Repeat("x", sqstext.MaxRequest-left-2)+`"`))
		if size := sqstext.Size(body, attributes); size > sqstext.MaxMessage || len(body) != sqstext.MaxRequest-left || attributes["reason"].StringValue == nil {
			t.Errorf("with %d bytes left the letter has %d bytes, its body %d, its attributes %v", left, size, len(body), attributes)
		}
	}
}

func TestTooLargePayloadIsRefusedAndNotCut(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		strings.Repeat("x", sqstext.MaxRequest+1), strings.Repeat("x", 6<<20),
		strings.Repeat("\x01", sqstext.MaxRequest/6), // its escapes are too large
	} {
		var b box
		err := deadletter.NewQueue(&b, "u").Send(t.Context(), unreadable(payload))
		large, ok := errors.AsType[*deadletter.TooLargeError](err)
		if !ok || b.in != nil || large.Bytes <= large.Most || large.Most != sqstext.MaxRequest {
			t.Errorf("%d bytes: %v; sent %t", len(payload), err, b.in != nil)
		}
		if err != nil && (len(err.Error()) > 300 || !strings.Contains(err.Error(), "send it in parts")) {
			t.Errorf("the error is %.400q", err)
		}
	}
}

// TestDeadLetterOfAnyRequestIsTakenBySQSAndReadsBack: This holds for any text in Adobe's
// errors.
func TestDeadLetterOfAnyRequestIsTakenBySQSAndReadsBack(t *testing.T) {
	t.Parallel()
	text := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\x00\x1b\uFFFE\uFFFF\"<"))))
	rapid.Check(t, func(t *rapid.T) {
		r := event.Request{RunID: "run", FlowID: "flow", OrgID: "A@AdobeOrg", Sandbox: "prod", Reason: text.Draw(t, "reason")}
		r.Errors = []event.RunError{event.NewRunError(text.Draw(t, "code"), text.Draw(t, "message"))}
		message := text.Draw(t, "error") + strings.Repeat("é", rapid.IntRange(0, 4000).Draw(t, "more"))
		body, attributes := send(t, deadletter.Message{
			Request: r, Reason: "attempts_exhausted", Detail: message, Code: text.Draw(t, "Adobe's code"), HTTPStatus: 400,
			AdobeRequestID: text.Draw(t, "Adobe's request"), FirstTime: time.Now(), LastTime: time.Now(),
		})
		for name, value := range attributes {
			if *value.StringValue == "" || strings.ContainsFunc(*value.StringValue, sqstext.Refuses) {
				t.Fatalf("attribute %s is %q", name, *value.StringValue)
			}
		}
		if strings.ContainsFunc(body, sqstext.Refuses) || sqstext.Size(body, attributes) > sqstext.MaxRequest {
			t.Fatalf("SQS refuses %s", body)
		}
		decoded, err := event.Decode([]byte(body))
		if err != nil || len(decoded.Items) != 1 || decoded.Items[0].Request == nil {
			t.Fatalf("%s can't be read: %v", body, err)
		}
		got := decoded.Items[0].Request
		if got.Reason != r.Reason || got.Errors[0] != r.Errors[0] || !strings.HasPrefix(message, got.LastError) || len(message) <= 4000 && got.LastError != message {
			t.Fatalf("%s reads as %+v", body, got)
		}
	})
}

// TestTimeThatJSONCannotWriteStopsNoDeadLetter: Adobe says that a run was made in the
// year 31969. The run's dead letter is written all the same.
func TestTimeThatJSONCannotWriteStopsNoDeadLetter(t *testing.T) {
	t.Parallel()
	r := event.Request{RunID: "run"}
	r.CreatedAt, r.FailedAt = time.UnixMilli(946684800000000), time.Date(-900, 1, 1, 0, 0, 0, 0, time.UTC)
	body, _ := send(t, deadletter.Message{Request: r, Reason: "policy", FirstTime: time.Now(), LastTime: time.Now()})
	var read struct{ RunID string }
	if err := json.Unmarshal([]byte(body), &read); err != nil || read.RunID != "run" {
		t.Errorf("the letter is %s: %v", body, err)
	}
}
