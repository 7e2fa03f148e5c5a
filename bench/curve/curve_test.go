package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/bench/quota"
	"github.com/aep-retrigger/aep-retrigger/bench/world"
)

func TestThePictureHasEachPointAndTheChosenSetting(t *testing.T) {
	t.Parallel()
	points := []point{{128, 400 * time.Millisecond, 350 * time.Millisecond, 900 * time.Millisecond}, {256, 340 * time.Millisecond, 320 * time.Millisecond, 700 * time.Millisecond}}
	svg, err := draw(points, 256)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"warm at 256 MB: 320<", "first invocation after a start at 128 MB: 50<", "a batch of ten, warm at 128 MB: 900<", "set: 256 MB", ">1000<"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the picture has no %q", want)
		}
	}
	for decoder := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	var table strings.Builder
	tell(&table, points)
	if want := "| 256 | 0.14 | 340 ms | 320 ms | 700 ms | 85 | 80 | 175 |"; !strings.Contains(table.String(), want) {
		t.Errorf("the table has no line %q:\n%s", want, table.String())
	}
}

func TestTheMarkedSettingIsTheTemplates(t *testing.T) {
	t.Parallel()
	if memory, err := memorySize("../../" + deployed); err != nil || memory < 128 {
		t.Errorf("%d MB, %v", memory, err)
	}
	if _, err := memorySize("main.go"); err == nil {
		t.Error("a file without the setting has one")
	}
}

func TestEachSettingIsMeasured(t *testing.T) {
	t.Parallel()
	binary, err := world.Build(t.Context(), "../..", "bench/floor", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w, err := world.Start(t.Context(), world.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	points, err := measure(t.Context(), w, binary, []int{512, 1769}, 1)
	if unavailable := new(quota.UnavailableError); errors.As(err, &unavailable) && os.Getenv("CI") == "" {
		t.Log("not measured here:", err)
		return
	}
	if err != nil || len(points) != 2 || points[0].memory != 512 || points[0].first <= 0 || points[1].warm <= 0 || points[1].batch <= 0 {
		t.Errorf("%+v, %v", points, err)
	}
}

func TestStepsAreRoundFigures(t *testing.T) {
	t.Parallel()
	for step, want := range map[float64]float64{0.9: 1, 1.2: 2, 2.1: 2.5, 37: 50, 260: 500, 700: 1000} {
		if got := nice(step); got != want {
			t.Errorf("a step of %g becomes %g, want %g", step, got, want)
		}
	}
}
