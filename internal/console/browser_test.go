//go:build browser

package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/aep-retrigger/aep-retrigger/integration/browser"
)

// tools is where integration/browser/install puts axe-core, and where screenshots are kept.
const tools = "../../.tools"

// chromium starts a headless browser, which ends with the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel, err := browser.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return ctx
}

// tab is a window of the browser with cookies of its own. It notes what a page complains of.
type tab struct {
	*testing.T

	ctx        context.Context
	mu         sync.Mutex
	complaints []string
}

func newTab(chrome context.Context, t *testing.T) *tab {
	t.Helper()
	b := &tab{T: t}
	ctx, cancel := chromedp.NewContext(chrome, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.heard))
	t.Cleanup(cancel)
	b.ctx = ctx
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900)); err != nil { // the tab lives as long as the context of its first call
		t.Fatal(err)
	}
	return b
}

// heard notes errors of the console, exceptions, and violations of the content policy, which
// come as errors of the console, too.
func (b *tab) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		b.complaints = append(b.complaints, fmt.Sprintf("%s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, fmt.Sprint(e.Type))
	}
}

// complained returns what the page has complained of since the last call.
func (b *tab) complained() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.complaints
	b.complaints = nil
	return c
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) evaluate(script string) string {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// open goes to an address and returns the status of the answer.
func (b *tab) open(address string) int64 {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	response, err := chromedp.Run(ctx, chromedp.NavigateResponse(address))
	if err != nil {
		b.Fatalf("%s: %v", address, err)
	}
	return response.Status
}

// scheme chooses what the person's system prefers: light or dark.
func (b *tab) scheme(scheme string) {
	b.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
}

// screenshot keeps a picture of the page, of its upper part where it is long.
func (b *tab) screenshot(name string) {
	b.Helper()
	const longest = 2000
	size := strings.Split(b.evaluate("document.documentElement.scrollWidth + ' ' + document.documentElement.scrollHeight"), " ")
	width, _ := strconv.ParseFloat(size[0], 64)
	height, _ := strconv.ParseFloat(size[1], 64)
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	shot, err := chromedp.Call(ctx, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{
		CaptureBeyondViewport: new(true), Clip: &cdppage.Viewport{Width: width, Height: min(height, longest), Scale: 1},
	})
	if err != nil {
		b.Fatal(err)
	}
	folder := filepath.Join(tools, "screenshots")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), shot.Data, 0o600); err != nil {
		b.Fatal(err)
	}
}

// violations are what axe-core finds in the page.
func (b *tab) violations() (found []string) {
	b.Helper()
	axe, err := os.ReadFile(filepath.Join(tools, "browser/node_modules/axe-core/axe.min.js"))
	if err != nil {
		b.Fatalf("axe-core is missing: make test-browser installs it: %v", err)
	}
	text := b.evaluate(string(axe) + `;axe.run().then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html.slice(0, 200) + " " + n.failureSummary)}))))`)
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(text), &violations); err != nil {
		b.Fatal(err)
	}
	for _, v := range violations {
		found = append(found, fmt.Sprintf("%s: %s\n  %s", v.ID, v.Help, strings.Join(v.Nodes[:min(3, len(v.Nodes))], "\n  ")))
	}
	return found
}

// accessible ends the test where axe-core finds something.
func (b *tab) accessible(name string) {
	b.Helper()
	for _, v := range b.violations() {
		b.Errorf("%s: axe-core: %s", name, v)
	}
}

// served starts a console over a world, and returns its first address.
func served(t *testing.T, w *world) (address string) {
	t.Helper()
	c, err := Listen(t.Context(), w.operator(w.table), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Serve(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return c.Address()
}

// TestPagesInABrowser looks at every page as a person does: wide and narrow, light and dark.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	chrome := chromium(t)
	busy, empty := newWorld(t), newWorld(t)
	busy.busy()
	for _, one := range []struct {
		world *world
		name  string
		pages map[string]string
	}{
		{busy, "", map[string]string{
			"overview": "/", "dataflows": "/dataflows", "dataflows-none": "/dataflows?name=nothing", "waiting": "/waiting", "dead-letters": "/dead-letters", "dead-letters-2": "/dead-letters?page=2",
			"dead-letters-filtered": "/dead-letters?dataflow=loyalty&text=found", "dead-letters-none": "/dead-letters?text=nothing", "sweeps": "/sweeps", "pauses": "/pauses",
			"run-recovered": runAddress("b1c4e7d0-0002"), "run-open": runAddress("b1c4e7d0-0011"), "run-waiting": runAddress("c2d5f8e1-0001"), "run-evil": runAddress(evilRun),
			"run-escapes": runAddress("e4f7b0a3-\x1b[31mred"), "run-unknown": "/run?id=unknown", "no-page": "/nothing",
			"dataflow": flowAddress("5f0b1e2c-crm"), "dataflow-failing": flowAddress("91ce5d27-stock"), "dataflow-unknown": flowAddress("unknown"),
		}},
		{empty, "empty-", map[string]string{"overview": "/", "dataflows": "/dataflows", "waiting": "/waiting", "dead-letters": "/dead-letters", "sweeps": "/sweeps", "pauses": "/pauses"}},
	} {
		address := served(t, one.world)
		b := newTab(chrome, t)
		if status := b.open(address); status != http.StatusOK {
			t.Fatalf("the console's address is answered with %d", status)
		}
		base, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		for name, path := range one.pages {
			name = one.name + name
			b.complained()
			want := int64(http.StatusOK)
			switch {
			case strings.HasSuffix(name, "-unknown") || name == "no-page":
				want = http.StatusNotFound
			case name == "run-evil" || name == "run-escapes": // no run has such an id
				want = http.StatusBadRequest
			}
			if status := b.open("http://" + base.Host + path); status != want {
				t.Errorf("%s is answered with %d", path, status)
			}
			if title := b.evaluate("document.title"); !strings.HasSuffix(title, "aep-retrigger") {
				t.Errorf("%s: the title is %q: a text of the ledger was believed", name, title)
			}
			for _, scheme := range []string{"light", "dark"} {
				b.scheme(scheme)
				b.accessible(name + " " + scheme)
				b.screenshot(name + "-" + scheme)
			}
			b.do(chromedp.EmulateViewport(380, 800, chromedp.EmulateMobile))
			if wide := b.evaluate("String(document.documentElement.scrollWidth)"); wide != "380" {
				t.Errorf("%s: at 380 px the page is %s px wide", name, wide)
			}
			b.accessible(name + " narrow")
			b.screenshot(name + "-narrow")
			b.do(chromedp.EmulateViewport(1280, 900))
			for _, c := range b.complained() {
				if want == http.StatusOK || !strings.Contains(c, strconv.FormatInt(want, 10)) {
					t.Errorf("%s: the browser complains: %s", name, c)
				}
			}
		}
	}
}

// TestAnAddressWorksOnceAndForThisHostAlone in a real browser, with its own rules for cookies.
func TestAnAddressWorksOnceAndForThisHostAlone(t *testing.T) {
	t.Parallel()
	chrome := chromium(t)
	address := served(t, newWorld(t))
	base, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	foreign := newTab(chrome, t)
	if status := foreign.open("http://evil.example:" + base.Port() + "/?" + base.RawQuery); status != http.StatusForbidden {
		t.Errorf("a foreign host is answered with %d", status)
	}
	if body := foreign.evaluate("document.body.textContent"); !strings.Contains(body, "no other name") {
		t.Errorf("a foreign host sees %q", body)
	}
	first := newTab(chrome, t)
	if status := first.open(address); status != http.StatusOK {
		t.Errorf("the first use is answered with %d", status)
	}
	if at := first.evaluate("location.href"); at != "http://"+base.Host+"/" {
		t.Errorf("the token is still in the address: %s", at)
	}
	if cookies := first.evaluate("document.cookie"); cookies != "" {
		t.Errorf("a script can read the cookie: %s", cookies)
	}
	second := newTab(chrome, t)
	if status := second.open(address); status != http.StatusForbidden {
		t.Errorf("a second use is answered with %d", status)
	}
	if status := second.open("http://" + base.Host + "/"); status != http.StatusForbidden {
		t.Errorf("without the cookie the answer is %d", status)
	}
	if status := first.open("http://" + base.Host + "/waiting"); status != http.StatusOK {
		t.Errorf("the first browser is answered with %d afterwards", status)
	}
}

// TestThePagesCanBeUsedWithTheKeyboard goes through a page by the tab key alone.
func TestThePagesCanBeUsedWithTheKeyboard(t *testing.T) {
	t.Parallel()
	b := newTab(chromium(t), t)
	w := newWorld(t)
	w.busy()
	address := served(t, w)
	b.open(address)
	focused := func() string {
		return b.evaluate("document.activeElement.textContent.trim() || document.activeElement.id")
	}
	var seen []string
	for range 12 {
		b.do(chromedp.KeyEvent(kb.Tab))
		seen = append(seen, focused())
	}
	if got := strings.Join(seen[:10], ", "); got != "Skip to the content, aep-retrigger, find, Explain, Overview, Dataflows, Waiting, Dead letters, Sweeps, Pauses" {
		t.Errorf("the tab key goes to %s", got)
	}
	b.open(strings.Split(address, "?")[0])
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab))
	if got := focused(); !strings.HasPrefix(got, "Failing dataflows") {
		t.Errorf("after the skip link comes %q", got)
	}
}

// TestTheBrowserTestsCanFail breaks a page: axe-core and the browser must notice.
func TestTheBrowserTestsCanFail(t *testing.T) {
	t.Parallel()
	b := newTab(chromium(t), t)
	b.open(served(t, newWorld(t)))
	b.complained()
	if v := b.violations(); len(v) != 0 {
		t.Fatalf("axe-core finds %s in a whole page", v)
	}
	b.evaluate(`document.querySelector("main").insertAdjacentHTML("beforeend", "<img src='/icon.svg'><p style='color: red'>red</p><script>x</` + `script>"); "done"`)
	if v := b.violations(); len(v) != 1 || !strings.HasPrefix(v[0], "image-alt") {
		t.Errorf("axe-core finds %q, want the picture without words", v)
	}
	complaints := strings.Join(b.complained(), "\n")
	if !strings.Contains(complaints, "Content Security Policy") {
		t.Errorf("the browser complains of %q, want the style that the policy forbids", complaints)
	}
}
