package sqstext_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
)

// text draws text in which the characters that matter are not rare.
func text() *rapid.Generator[string] {
	return rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\x00\x01\b\f\t\n\r\x1f\x7f\u0085\u2028\uFEFF\uFFFD\uFFFE\uFFFF\U0001FFFE\U0001FFFF\"\\<é🐢"))))
}

func TestRefusesWhatTheDocumentationOfSQSRefuses(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if r >= 0xD800 && r <= 0xDFFF {
			continue // surrogates stand in no Go string
		}
		allowed := r == 0x9 || r == 0xA || r == 0xD || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
		if sqstext.Refuses(r) == allowed {
			t.Fatalf("Refuses(%U) = %t", r, !allowed)
		}
	}
}

func TestBodyThatSQSTakesIsUnchanged(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"runId":"x"}`, "plain\ttext\r\n", "żółw 🐢", "\uFEFF{}"} {
		if got := sqstext.Body([]byte(body)); got != body {
			t.Errorf("Body(%q) = %q", body, got)
		}
	}
}

func TestBodyReadsBackUnchanged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := text().Draw(t, "body")
		sent := sqstext.Body([]byte(body))
		takes(t, sent)
		if sent == body {
			return
		}
		var was, back any = body, nil
		_ = json.Unmarshal([]byte(body), &was) // JSON keeps its value, other text is the value
		if err := json.Unmarshal([]byte(sent), &back); err != nil || !reflect.DeepEqual(back, was) {
			t.Fatalf("Body(%q) = %q, which reads back as %q (%v)", body, sent, back, err)
		}
		// It came in a JSON string, such as the Message of SNS: it needs no more room there.
		var wrapped strings.Builder
		encoder := json.NewEncoder(&wrapped)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(body); err != nil {
			t.Fatal(err)
		}
		if body != "" && len(sent) > len(strings.TrimSpace(strings.NewReplacer("\uFFFE", `\ufffe`, "\uFFFF", `\uffff`).Replace(wrapped.String()))) {
			t.Fatalf("Body(%q) = %q is longer than the string in which it came, %s", body, sent, wrapped.String())
		}
	})
}

func TestJSONKeepsItsValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := map[string]string{text().Draw(t, "key"): text().Draw(t, "value")}
		written, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		for name, sent := range map[string]string{"JSON": sqstext.JSON(written), "Body": sqstext.Body(written)} {
			takes(t, sent)
			back := map[string]string{}
			if err := json.Unmarshal([]byte(sent), &back); err != nil || len(back) != 1 {
				t.Fatalf("%s(%s) = %s: %v", name, written, sent, err)
			}
			for key, want := range value {
				if got := back[key]; got != want {
					t.Fatalf("%s(%s) = %s, which reads back as %q, want %q", name, written, sent, got, want)
				}
			}
		}
	})
}

func TestBodyIsNeverEmptyAndAlwaysUTF8(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": `""`, "a\xffb\x00": `"a` + "\uFFFD" + `b\u0000"`, "\"\xff": `"\"` + "\uFFFD" + `"`} {
		if got := sqstext.Body([]byte(in)); got != want {
			t.Errorf("Body(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestAttributeFitsWithAnyText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := text().Draw(t, "text") + string(rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "bytes"))
		got := sqstext.Attribute(in)
		takes(t, got)
		if len(got) > sqstext.MaxAttribute {
			t.Fatalf("Attribute() has %d bytes", len(got))
		}
	})
	if got := sqstext.Attribute("a\uFFFFb\nc"); got != "a b\nc" {
		t.Errorf("Attribute = %q", got)
	}
}

func TestSizeOfAMessageCountsItsAttributes(t *testing.T) {
	t.Parallel()
	got := sqstext.Size("żó", map[string]types.MessageAttributeValue{
		"name": {DataType: aws.String("String"), StringValue: aws.String("value")}, "b": {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2, 3}},
	})
	if want := 4 + 4 + 6 + 5 + 1 + 6 + 3; got != want {
		t.Errorf("Size = %d, want %d", got, want)
	}
}

func takes(t *rapid.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) || strings.ContainsFunc(text, sqstext.Refuses) {
		t.Fatalf("SQS refuses %q", text)
	}
}
