//go:build browser

// Package browser starts a headless Chromium: for the tests of the console's pages, and for
// the picture of them in README.md. `integration/browser/install` installs one.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/chromedp/chromedp"
)

// ErrMissing is the error of a machine without a Chromium.
var ErrMissing = errors.New("there is no Chromium: integration/browser/install installs it")

// Start starts a Chromium, which ends when cancel is called. Actions of chromedp need the
// context that it returns. evil.example leads to this machine in it, as DNS rebinding would.
func Start(ctx context.Context) (started context.Context, cancel context.CancelFunc, err error) {
	path, err := find()
	if err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, // Chromium has no sandbox for root
		chromedp.Flag("host-resolver-rules", "MAP evil.example 127.0.0.1"))
	allocated, end := chromedp.NewExecAllocator(ctx, options...)
	started, stop := chromedp.NewContext(allocated)
	cancel = func() { stop(); end() }
	if err := chromedp.Do(started); err != nil {
		cancel()
		return nil, nil, fmt.Errorf("Chromium does not start: %w", err) //nolint:staticcheck // a name
	}
	return started, cancel, nil
}

func find() (path string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrMissing
}
