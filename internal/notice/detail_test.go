package notice_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/notice"
)

// sent returns the detail of a notice as it was sent, and its fields.
func sent(t *testing.T, n notice.Notice) (detail string, fields map[string]any) {
	t.Helper()
	b := &bridge{}
	to, _ := bus(b)
	if err := to.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	detail = *b.calls[0][0].Detail
	if err := json.Unmarshal([]byte(detail), &fields); err != nil {
		t.Fatal(err)
	}
	return detail, fields
}

func TestTheIDOfANoticeIsMadeOfItsParts(t *testing.T) {
	t.Parallel()
	id := notice.ID(notice.Failing, "org", "flow")
	if id != notice.ID(notice.Failing, "org", "flow") || len(id) != 32 {
		t.Errorf("%s is not the same again", id)
	}
	for _, other := range []string{notice.ID(notice.Recovered, "org", "flow"), notice.ID(notice.Failing, "orgf", "low"), notice.ID(notice.Failing, "org", "flow", "")} {
		if other == id {
			t.Error("two notices have one id")
		}
	}
}

func TestTextsOfSourcesAreCleanedAndCut(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"lines and tabs":            {"a\r\n\tb", "a b"},
		"controls":                  {"a\x00b\x1b[31m\u202Ec\uFFFE", "a\uFFFDb\uFFFD[31m\uFFFDc\uFFFD"},
		"no UTF-8":                  {"a\xffb", "a\uFFFDb"},
		"a joiner of a script":      {"می\u200Cخواهم", "می\u200Cخواهم"},
		"a bearer token":            {"Authorization: Bearer abcdefgh12345678 was refused", "Authorization: [redacted] was refused"},
		"a web token":               {"got eyJhbGciOiJub25l.eyJzdWIiOiIx.c2ln", "got [redacted]"},
		"an Adobe secret":           {"p8e-abcdefghijklmnop", "[redacted]"},
		"a key of Amazon's":         {"key AKIAABCDEFGHIJKLMNOP is unknown", "key [redacted] is unknown"},
		"a signed URL":              {"https://a.blob.core.windows.net/x?sv=1&sig=abc%2Bdef&se=2 failed", "https://a.blob.core.windows.net/x?sv=1&[redacted]&se=2 failed"},
		"a connection string":       {"Server=a;AccountKey=abc==;Pwd=x;Database=b", "Server=a;[redacted];[redacted];Database=b"},
		"a password in JSON":        {`{"client_secret": "x y", "a": 1}`, `{[redacted], "a": 1}`},
		"a password in a URL":       {"ftp://me:pw@host/x", "ftp:[redacted]host/x"},
		"a word that is no secret":  {"the token: expired; secret of the source", "the token: expired; secret of the source"},
		"a secret broken by a line": {"password=\nhunter2", "[redacted]"},
	} {
		if _, fields := sent(t, notice.Notice{Kind: notice.Failing, OrgID: "o", FlowID: "f", Text: tt.text}); fields["text"] != tt.want {
			t.Errorf("%s: %q, want %q", name, fields["text"], tt.want)
		}
	}
	_, fields := sent(t, notice.Notice{Kind: notice.Failing, OrgID: "o", FlowID: "f", Text: strings.Repeat("ż", 1000), FlowName: strings.Repeat("n", 1000)})
	if text, _ := fields["text"].(string); len(text) > 1024 || !strings.HasSuffix(text, "ż…") {
		t.Errorf("%d bytes: %s", len(text), text)
	}
	if name, _ := fields["flowName"].(string); len(name) > 256 || !strings.HasSuffix(name, "n…") {
		t.Errorf("the name has %d bytes", len(name))
	}
}

// TestTextsForPeopleEndNoLineAndMentionNobody: EventBridge puts them between quotes, and a
// chat reads <!channel> as a mention. The field text has what Adobe said.
func TestTextsForPeopleEndNoLineAndMentionNobody(t *testing.T) {
	t.Parallel()
	const said = `<!channel> "no" C:\dir`
	_, fields := sent(t, notice.Notice{Kind: notice.Failing, OrgID: "o", FlowID: "f", FlowName: said, Text: said, NextStep: said})
	for _, name := range []string{"title", "message", "nextStep"} {
		if text, _ := fields[name].(string); strings.ContainsAny(text, `"\<>`) || !strings.Contains(text, "‹!channel› 'no' C:/dir") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if fields["text"] != said {
		t.Errorf("text: %s", fields["text"])
	}
}

// TestTenOfTheLargestNoticesFitInACall: EventBridge takes 1 MB in a call.
func TestTenOfTheLargestNoticesFitInACall(t *testing.T) {
	t.Parallel()
	long, left := strings.Repeat("<", 5000), 1<<62
	for _, kind := range []notice.Kind{notice.Failing, notice.Recovered, notice.GivenUp, notice.CredentialRefused} {
		detail, _ := sent(t, notice.Notice{
			Kind: kind, ID: long, At: now, OrgID: long, Sandbox: long, FlowID: long, FlowName: long, Root: long, RunID: long, Attempts: left,
			FirstFailure: now, Code: long, Text: long, Cause: long, NextStep: long, Count: left, DaysLeft: &left,
		})
		if most := (1<<20)/10 - 512; len(detail) > most {
			t.Errorf("%s has %d bytes, and may have %d", kind, len(detail), most)
		}
	}
}

func TestANoticeWithoutValuesCanBeSent(t *testing.T) {
	t.Parallel()
	never := time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC)
	_, fields := sent(t, notice.Notice{Kind: notice.GivenUp, At: never, FirstFailure: never, Count: -1, DaysLeft: new(-3)})
	if fields["at"] != "2026-11-26T09:30:00Z" || fields["firstFailure"] != nil || fields["count"] != 0.0 || fields["daysLeft"] != 0.0 || fields["nextStep"] == "" {
		t.Errorf("%v", fields)
	}
}
