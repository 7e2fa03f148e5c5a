package flowclient

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// FuzzRefusal checks that whatever a server sends, an error holds only clean,
// bounded text without the secret.
func FuzzRefusal(f *testing.F) {
	const secret = "s3cr3t/value+1"
	for _, seed := range []string{
		`{"error_code":"401013","message":"Oauth token is not valid"}`,
		`{"type":"https://ns.adobe.com/aep/errors/FLOW-1439-404","title":"Resource not found","status":404,"report":{"detailed-message":"no run","request-id":"r"},"errorMessage":"e","errorDetails":"d"}`,
		`{"error":"invalid_client","error_description":"` + secret + `"}`,
		`{"error":{"code":5}}`, `<html>` + secret, ``, `null`, `[]`, `{"type":"/","title":"\u202e\u0000"}`, "\xff\xfe", `{"message":"s3cr3t/va`,
		`{"message":"` + strings.Repeat("é", 1000) + `"}`, `s3cr3t%2Fvalue%2B1`, "s3cr3t\u200b/value+1",
	} {
		f.Add([]byte(seed), "5")
	}
	s := settings{now: time.Now}
	f.Fuzz(func(t *testing.T, body []byte, wait string) {
		failure := s.refusal(OpRun, reply{status: 400, header: map[string][]string{"Retry-After": {wait}, "X-Request-Id": {wait}}, body: body}, scrubber{secret})
		failure.Kind = failure.flowKind(false)
		for _, text := range []string{failure.Code, failure.Message, failure.RequestID, failure.Error()} {
			if len(text) > 2*maxMessage || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, secret) {
				t.Errorf("not clean: %q", text)
			}
		}
		if failure.RetryAfter < 0 || failure.RetryAfter > MaxRetryAfter {
			t.Errorf("RetryAfter %v", failure.RetryAfter)
		}
	})
}

// FuzzPage checks that a page is read or refused, and never has a run without
// id or a continuation that leads nowhere.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		`{"items":[{"id":"1"}],"_links":{"next":{"href":"/runs?continuationToken=a%2Bb"}},"count":1}`,
		`{"items":[],"_links":{}}`, `{"items":[{"id":"1","metrics":5}],"_links":5}`, `{"items":{}}`, `{"items":[null]}`,
		`{"items":[],"_links":{"next":{"href":"?continuationToken=%zz"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := decodePage(body)
		if err != nil {
			return
		}
		for _, run := range page.Runs {
			if run.ID == "" {
				t.Error("a run has no id")
			}
		}
	})
}
