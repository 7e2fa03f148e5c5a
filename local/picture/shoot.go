//go:build browser

package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net/url"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/aep-retrigger/aep-retrigger/integration/browser"
)

// The pictures' size in CSS pixels, and how many of theirs one has.
const (
	width, height = 1280, 800
	scale         = 1.5
)

// shoot returns the pictures of the console at the address, by the names of their files.
func shoot(ctx context.Context, address string) (map[string][]byte, error) {
	chrome, cancel, err := browser.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	page, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	page.Path, page.RawQuery = shown, ""
	if err := chromedp.Do(chrome, chromedp.EmulateViewport(width, height, chromedp.EmulateScale(scale)), chromedp.Navigate(address), chromedp.Navigate(page.String())); err != nil {
		return nil, fmt.Errorf("open the console: %w", err)
	}
	shots := map[string][]byte{}
	for name, scheme := range map[string]string{"console.png": "light", "console-dark.png": "dark"} {
		if shots[name], err = shot(chrome, scheme); err != nil {
			return nil, err
		}
	}
	return shots, nil
}

// shown is the address of the page that says most.
const shown = "/"

// shot is a picture of what the page shows in a color scheme.
func shot(ctx context.Context, scheme string) ([]byte, error) {
	var taken cdppage.CaptureScreenshotResult
	err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		if err != nil {
			return err
		}
		taken, err = chromedp.Call(ctx, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{})
		return err
	}))
	if err != nil {
		return nil, fmt.Errorf("take the picture: %w", err)
	}
	picture, err := png.Decode(bytes.NewReader(taken.Data))
	if err != nil {
		return nil, err
	}
	var small bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&small, fewColors(picture)); err != nil {
		return nil, err
	}
	return small.Bytes(), nil
}
