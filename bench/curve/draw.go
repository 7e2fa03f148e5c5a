package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

//go:embed memory.svg.tmpl
var drawing string //nolint:gochecknoglobals // embedding needs a variable

// The picture's measures, in its own units: two panels side by side.
const (
	panelWidth  = 300.0
	panelHeight = 210.0
	steps       = 4 // of the upright axis
)

// panel is one of the two graphs.
type panel struct {
	Title  string
	Left   float64 // where it begins
	Lines  []line
	Across []tick // along the memory
	Up     []tick
	Chosen float64
}

type line struct {
	Class string
	Path  string
	Dots  []dot
}

type dot struct {
	X, Y float64
	Tip  string
}

type tick struct {
	At   float64
	Text string
}

// series is one of the lines.
type series struct {
	class, name string
	of          func(point) time.Duration
}

func all() []series {
	return []series{
		{"batch", "a batch of ten, warm", func(p point) time.Duration { return p.batch }},
		{"first", "first invocation after a start", func(p point) time.Duration { return p.first }},
		{"warm", "warm", func(p point) time.Duration { return p.warm }},
	}
}

// draw draws the curve, with a mark at the chosen setting.
func draw(points []point, chosen int) ([]byte, error) {
	const left, gap = 50.0, 70.0
	milliseconds := func(_ point, took time.Duration) float64 { return float64(took.Microseconds()) / 1000 }
	picture, err := template.New("memory").Parse(drawing)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = picture.Execute(&out, map[string]any{
		"Panels": []panel{
			newPanel("Time of an invocation, ms", left, points, chosen, milliseconds),
			newPanel("Cost of an invocation, GB-ms", left+panelWidth+gap, points, chosen, point.cost),
		},
		"Keys": all(), "Chosen": chosen, "Width": panelWidth, "Height": panelHeight,
	})
	return out.Bytes(), err
}

// Class and Name are for the template.
func (s series) Class() string { return s.class }

// Name is what the line is called.
func (s series) Name() string { return s.name }

func newPanel(title string, left float64, points []point, chosen int, value func(point, time.Duration) float64) panel {
	p := panel{Title: title, Left: left}
	most := 0.0
	for _, s := range all() {
		for _, at := range points {
			most = max(most, value(at, s.of(at)))
		}
	}
	step := nice(most / steps)
	top := step * math.Ceil(most/step)
	least, last := float64(points[0].memory), float64(points[len(points)-1].memory)
	x := func(memory int) float64 {
		if least == last {
			return 0
		}
		return round(panelWidth * math.Log2(float64(memory)/least) / math.Log2(last/least))
	}
	y := func(v float64) float64 { return round(panelHeight * (1 - v/top)) }
	for v := 0.0; v <= top; v += step {
		p.Up = append(p.Up, tick{y(v), strconv.FormatFloat(v, 'f', -1, 64)})
	}
	for _, at := range points {
		p.Across = append(p.Across, tick{x(at.memory), strconv.Itoa(at.memory)})
	}
	p.Chosen = x(chosen)
	for _, s := range all() {
		l := line{Class: s.class}
		var path []string
		for _, at := range points {
			v := value(at, s.of(at))
			d := dot{x(at.memory), y(v), fmt.Sprintf("%s at %d MB: %.0f", s.name, at.memory, v)}
			l.Dots, path = append(l.Dots, d), append(path, fmt.Sprintf("%g,%g", d.X, d.Y))
		}
		l.Path = strings.Join(path, " ")
		p.Lines = append(p.Lines, l)
	}
	return p
}

// nice is the next round figure from a step on: 1, 2, 2.5 or 5 with zeros.
func nice(step float64) float64 {
	size := math.Pow(10, math.Floor(math.Log10(max(step, 1e-9))))
	for _, figure := range []float64{1, 2, 2.5, 5} {
		if figure*size >= step {
			return figure * size
		}
	}
	return 10 * size
}

func round(v float64) float64 { return math.Round(v*10) / 10 }
