package deadletter

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSendableKeepsWhatSQSTakes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"runId":"x"}`, "plain\ttext\r\n", "żółw 🐢"} {
		if got := sendable([]byte(body)); got != body {
			t.Errorf("sendable(%q) = %q", body, got)
		}
	}
}

func TestSendableQuotesTheRest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.String().Draw(t, "body")
		sent := sendable([]byte(body))
		if sent == "" || strings.IndexFunc(sent, refusedBySQS) >= 0 || !utf8.ValidString(sent) {
			t.Fatalf("sendable(%q) = %q, which SQS refuses", body, sent)
		}
		if sent == body {
			return
		}
		var back string
		if err := json.Unmarshal([]byte(sent), &back); err != nil || back != body {
			t.Fatalf("sendable(%q) = %q, which reads back as %q (%v)", body, sent, back, err)
		}
	})
}

func TestSendableOfEmptyAndBrokenText(t *testing.T) {
	t.Parallel()
	if got := sendable(nil); got != `""` {
		t.Errorf("sendable(nil) = %q", got)
	}
	if got := sendable([]byte("a\xffb\x00")); got != `"a\ufffdb\u0000"` {
		t.Errorf("sendable = %q", got)
	}
}

func TestCleanFitsAnAttribute(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		got := clean(string(rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "text")))
		if len(got) > maxAttributeBytes || !utf8.ValidString(got) || strings.IndexFunc(got, refusedBySQS) >= 0 {
			t.Fatalf("clean() = %q", got)
		}
	})
}
