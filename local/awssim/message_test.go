package awssim_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

const mebibyte = 1 << 20

func text(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
}

// with sends a message of so many bytes with some attributes.
func (w world) with(t *testing.T, queue, body string, attributes map[string]types.MessageAttributeValue) error {
	t.Helper()
	_, err := w.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body, MessageAttributes: attributes})
	return err
}

// wants holds that an error has a code of SQS; none without a code.
func wants(t *testing.T, name string, err error, code string) {
	t.Helper()
	answer, _ := errors.AsType[smithy.APIError](err)
	switch {
	case code == "" && err != nil, code != "" && answer == nil:
		t.Errorf("%s: %v, want %q", name, err, code)
	case code != "" && !strings.HasSuffix(answer.ErrorCode(), code):
		t.Errorf("%s: code %s, want %s", name, answer.ErrorCode(), code)
	}
}

func TestMessageSizeCountsBodyAndAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	small := w.sim.AddQueue(awssim.Queue{Name: "small", MaximumMessageSize: 2048})
	one := map[string]types.MessageAttributeValue{"name": text("value")} // 4 + 6 + 5 bytes
	for name, tt := range map[string]struct {
		queue, body string
		attributes  map[string]types.MessageAttributeValue
		code        string
	}{
		"the largest message":                  {w.queue, strings.Repeat("x", mebibyte), nil, ""},
		"a byte more":                          {w.queue, strings.Repeat("x", mebibyte+1), nil, "InvalidParameterValue"},
		"bytes and not characters":             {w.queue, strings.Repeat("ż", mebibyte/2+1), nil, "InvalidParameterValue"},
		"the largest message with attributes":  {w.queue, strings.Repeat("x", mebibyte-15), one, ""},
		"a byte more with attributes":          {w.queue, strings.Repeat("x", mebibyte-14), one, "InvalidParameterValue"},
		"a queue's own limit":                  {small, strings.Repeat("x", 2048), nil, ""},
		"more than a queue's own limit":        {small, strings.Repeat("x", 2049), nil, "InvalidParameterValue"},
		"attributes beyond a queue's own size": {small, strings.Repeat("x", 2034), one, "InvalidParameterValue"},
	} {
		wants(t, name, w.with(t, tt.queue, tt.body, tt.attributes), tt.code)
	}
}

func TestCharactersAndAttributesAreCheckedAsSQSDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	typed := func(kind, value string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: &kind, StringValue: &value}
	}
	for name, tt := range map[string]struct {
		body, attribute string
		value           types.MessageAttributeValue
		code            string
	}{
		"white space":                {"a\t\r\nb", "a", text("a\tb"), ""},
		"U+FFFD and beyond U+FFFF":   {"\uFFFD\U0001FFFF", "a", text("\uFFFD\U0001FFFE"), ""},
		"U+FFFE in the body":         {"a\uFFFEb", "a", text("b"), "InvalidMessageContents"},
		"U+FFFF in the body":         {"a\uFFFFb", "a", text("b"), "InvalidMessageContents"},
		"a control in the body":      {"a\x0bb", "a", text("b"), "InvalidMessageContents"},
		"U+FFFE in a value":          {"x", "a", text("\uFFFE"), "InvalidParameterValue"},
		"U+FFFF in a value":          {"x", "a", text("\uFFFF"), "InvalidParameterValue"},
		"a control in a value":       {"x", "a", text("\x01"), "InvalidParameterValue"},
		"a name with all characters": {"x", "aZ09_-.x", text("b"), ""},
		"the longest name":           {"x", strings.Repeat("n", 256), text("b"), ""},
		"a longer name":              {"x", strings.Repeat("n", 257), text("b"), "InvalidParameterValue"},
		"a space in a name":          {"x", "a b", text("b"), "InvalidParameterValue"},
		"a letter that is not ASCII": {"x", "ż", text("b"), "InvalidParameterValue"},
		"a period first":             {"x", ".a", text("b"), "InvalidParameterValue"},
		"a period last":              {"x", "a.", text("b"), "InvalidParameterValue"},
		"two periods":                {"x", "a..b", text("b"), "InvalidParameterValue"},
		"a reserved name":            {"x", "aWs.a", text("b"), "InvalidParameterValue"},
		"the other reserved name":    {"x", "Amazon.a", text("b"), "InvalidParameterValue"},
		"a number":                   {"x", "a", typed("Number", "-1.5"), ""},
		"a type with a label":        {"x", "a", typed("Number.int", "3"), ""},
		"no number":                  {"x", "a", typed("Number", "three"), "InvalidParameterValue"},
		"another type":               {"x", "a", typed("Boolean", "true"), "InvalidParameterValue"},
		"bytes":                      {"x", "a", types.MessageAttributeValue{DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}}, ""},
		"no bytes":                   {"x", "a", typed("Binary", "x"), "InvalidParameterValue"},
	} {
		wants(t, name, w.with(t, w.queue, tt.body, map[string]types.MessageAttributeValue{tt.attribute: tt.value}), tt.code)
	}
}

// TestBatchIsLimitedAsAWhole: the limit of a batch is that of SQS, whatever the queue's
// own; a message that SQS refuses fails by itself.
func TestBatchIsLimitedAsAWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	small := w.sim.AddQueue(awssim.Queue{Name: "small", MaximumMessageSize: 2048})
	batch := func(queue string, bodies ...string) (*sqs.SendMessageBatchOutput, error) {
		in := &sqs.SendMessageBatchInput{QueueUrl: &queue}
		for i, body := range bodies {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
				Id: aws.String(string(rune('a' + i))), MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{"name": text("value")},
			})
		}
		return w.sqs.SendMessageBatch(t.Context(), in)
	}
	half := strings.Repeat("x", mebibyte/2-15)
	_, err := batch(w.queue, half, half)
	wants(t, "a mebibyte", err, "")
	_, err = batch(w.queue, half, half+"x")
	wants(t, "a byte more", err, "BatchRequestTooLong")
	if n := len(w.sim.Messages(w.queue)); n != 2 {
		t.Errorf("%d messages are on the queue, want the 2 of the first batch", n)
	}
	out, err := batch(small, strings.Repeat("x", 2000), strings.Repeat("x", 2000))
	if err != nil || len(out.Successful) != 2 {
		t.Errorf("together more than the queue's limit for one: %+v, %v", out, err)
	}
	out, err = batch(small, "good", "\uFFFF", strings.Repeat("x", 2048))
	if err != nil || len(out.Successful) != 1 || len(out.Failed) != 2 {
		t.Fatalf("one good message of three: %+v, %v", out, err)
	}
	for i, code := range []string{"InvalidMessageContents", "InvalidParameterValue"} {
		if failed := out.Failed[i]; *failed.Code != code || !failed.SenderFault {
			t.Errorf("entry %s failed with %s, sender's fault %t; want %s", *failed.Id, *failed.Code, failed.SenderFault, code)
		}
	}
	w.sim.Inject(awssim.Fault{Op: "SendMessageBatch", EntriesOnly: true, Code: "InvalidMessageContents", Of: "this one"})
	if out, err := batch(w.queue, "another", "this one"); err != nil || len(out.Successful) != 1 || len(out.Failed) != 1 || !out.Failed[0].SenderFault {
		t.Errorf("a fault of one message: %+v, %v", out, err)
	}
}

func TestRedriveKeepsAttributesAndEndsAtAMessageThatDoesNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	small := w.sim.AddQueue(awssim.Queue{Name: "small", MaximumMessageSize: 2048})
	one := map[string]types.MessageAttributeValue{"name": text("value")}
	for _, body := range []string{strings.Repeat("x", 2033), strings.Repeat("x", 2034), "x"} {
		wants(t, "a letter", w.with(t, w.dead, body, one), "")
	}
	_, err := w.sqs.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(awssim.QueueARN("dead")), DestinationArn: aws.String(awssim.QueueARN("small"))})
	moved, left := w.sim.Messages(small), w.sim.Messages(w.dead)
	if err != nil || len(moved) != 1 || len(left) != 2 || moved[0].Attributes["name"].StringValue != "value" {
		t.Errorf("%d moved, %d left, %v", len(moved), len(left), err)
	}
}
