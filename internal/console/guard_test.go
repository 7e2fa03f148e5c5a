package console

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const host = "127.0.0.1:8123"

// door is a guard with a page behind it.
type door struct {
	*testing.T

	guard *guard
	uses  int
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{T: t}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the page") })
	d.guard = newGuard(host, page, func() { d.uses++ })
	return d
}

// answer is what the guard answers.
type answer struct {
	status  int
	header  http.Header
	body    string
	cookies []*http.Cookie
}

// ask sends a request, with cookies or without.
func (d *door) ask(method, target, host string, cookies ...*http.Cookie) answer {
	d.Helper()
	r := httptest.NewRequestWithContext(d.Context(), method, target, http.NoBody)
	r.Host = host
	for _, c := range cookies {
		r.AddCookie(c)
	}
	recorder := httptest.NewRecorder()
	d.guard.ServeHTTP(recorder, r)
	a := answer{status: recorder.Code, header: recorder.Header(), body: recorder.Body.String()}
	for _, line := range a.header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			d.Fatal(err)
		}
		a.cookies = append(a.cookies, c)
	}
	return a
}

// refused ends the test unless the answer has the status and nothing of the page.
func (d *door) refused(a answer, status int, words string) {
	d.Helper()
	if a.status != status || !strings.Contains(a.body, words) || strings.Contains(a.body, "the page") {
		d.Errorf("the answer is %d: %q; want %d and %q", a.status, a.body, status, words)
	}
	if len(a.cookies) > 0 {
		d.Error("a refusal sets a cookie")
	}
}

// enter uses the first address and returns the cookie.
func (d *door) enter() *http.Cookie {
	d.Helper()
	a := d.ask(http.MethodGet, "/?token="+d.guard.token, host)
	if len(a.cookies) != 1 || a.status != http.StatusSeeOther {
		d.Fatalf("the first address is answered with %d and %d cookies", a.status, len(a.cookies))
	}
	return a.cookies[0]
}

// cookie is one that a browser sends.
func cookie(t *testing.T, name, value string) *http.Cookie {
	t.Helper()
	parsed, err := http.ParseCookie(name + "=" + value)
	if err != nil {
		t.Fatal(err)
	}
	return parsed[0]
}

func TestFirstAddressWorksOnceAndLeavesACookie(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	first := d.ask(http.MethodGet, "/?token="+d.guard.token, host)
	if to := first.header.Get("Location"); first.status != http.StatusSeeOther || to != "/" {
		t.Fatalf("the first address leads to %q with %d, want the address without the token", to, first.status)
	}
	c := first.cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Name != "aep-retrigger-8123" || c.Value == d.guard.token {
		t.Errorf("the cookie is %s", c)
	}
	d.refused(d.ask(http.MethodGet, "/?token="+d.guard.token, host), http.StatusForbidden, "works once")
	if page := d.ask(http.MethodGet, "/", host, c); page.status != http.StatusOK || page.body != "the page" {
		t.Errorf("with the cookie the page is %q (%d)", page.body, page.status)
	}
	again := d.ask(http.MethodGet, "/?token="+d.guard.token, host, c) // a bookmark of the one who came in
	if to := again.header.Get("Location"); again.status != http.StatusSeeOther || to != "/" {
		t.Errorf("with the cookie the first address leads to %q with %d", to, again.status)
	}
}

func TestNobodyReadsWithoutTheCookie(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	c := d.enter()
	for name, cookies := range map[string][]*http.Cookie{
		"no cookie":         nil,
		"a guess":           {cookie(t, c.Name, "AAAAAAAAAAAAAAAAAAAAAAAAAA")},
		"an empty one":      {cookie(t, c.Name, "")},
		"the token":         {cookie(t, c.Name, d.guard.token)},
		"another's console": {cookie(t, "aep-retrigger-9000", c.Value)},
	} {
		for _, path := range []string{"/", "/dead-letters", "/icon.svg", "/?token=wrong", "/?token="} {
			d.uses = 0
			d.refused(d.ask(http.MethodGet, path, host, cookies...), http.StatusForbidden, "works once")
			if d.uses != 0 {
				t.Errorf("%s: a refused request for %s keeps the console alive", name, path)
			}
		}
	}
}

func TestPreviewOfALinkDoesNotUseUpTheAddress(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.refused(d.ask(http.MethodHead, "/?token="+d.guard.token, host), http.StatusForbidden, "")
	d.enter()
}

func TestPageOfAnotherSiteIsRefusedByItsHost(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, foreign := range []string{"evil.example", "evil.example:8123", "127.0.0.1", "127.0.0.1:80", "127.0.0.2:8123", "[::1]:8123", "localhost", "localhost:80", "localhost.evil.example:8123", ""} {
		d.refused(d.ask(http.MethodGet, "/?token="+d.guard.token, foreign), http.StatusForbidden, "no other name")
	}
	c := d.enter() // the token was not used up
	d.refused(d.ask(http.MethodGet, "/", "evil.example:8123", c), http.StatusForbidden, "no other name")
	if local := d.ask(http.MethodGet, "/", "localhost:8123", c); local.status != http.StatusOK {
		t.Errorf("localhost is answered with %d", local.status)
	}
}

func TestOnlyReadingIsAnswered(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	c := d.enter()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect, "PROPFIND"} {
		a := d.ask(method, "/", host, c)
		if got := a.header.Get("Allow"); got != "GET, HEAD" {
			t.Errorf("%s: Allow is %q", method, got)
		}
		d.refused(a, http.StatusMethodNotAllowed, "read-only")
	}
	if head := d.ask(http.MethodHead, "/", host, c); head.status != http.StatusOK {
		t.Errorf("HEAD is answered with %d", head.status)
	}
}

func TestEveryAnswerHasTheHeadersThatKeepAPageSafe(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	c := d.enter()
	for name, a := range map[string]answer{
		"a page":         d.ask(http.MethodGet, "/", host, c),
		"no cookie":      d.ask(http.MethodGet, "/", host),
		"a foreign host": d.ask(http.MethodGet, "/", "evil.example"),
		"a POST":         d.ask(http.MethodPost, "/", host, c),
		"a redirect":     d.ask(http.MethodGet, "/?token=x", host, c),
	} {
		for header, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := a.header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "script") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: the content policy is %q", name, policy)
		}
	}
}
