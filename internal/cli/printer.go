package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/tree"
	"github.com/charmbracelet/colorprofile"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// printer writes for people. Every text passes [plain] here, and nowhere else.
type printer struct {
	out io.Writer
	err error // the first one
}

// print prints the value as JSON, or as the function shows it to people.
func (c *command) print(value any, people func(*printer)) error {
	p := &printer{out: styled(c.system.Out, c.system.Env)}
	if c.output == "json" {
		p.json(value)
	} else {
		people(p)
	}
	switch {
	case p.err == nil, errors.Is(p.err, syscall.EPIPE): // who reads has seen enough, such as head
		return nil
	}
	return &operate.Error{Kind: operate.Failed, Message: "the output could not be written: " + p.err.Error(), Err: p.err}
}

// tell prints on standard error what people must know beside the command's output: what a
// change will touch, and how far it is.
func (c *command) tell(people func(*printer)) {
	c.telling.Lock()
	defer c.telling.Unlock()
	people(&printer{out: styled(c.system.Err, c.system.Env)})
}

// styled writes styles only where the output is a terminal and NO_COLOR is not set.
func styled(out io.Writer, env []string) io.Writer {
	w := colorprofile.NewWriter(out, env)
	if slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "NO_COLOR=") && v != "NO_COLOR=" }) {
		w.Profile = colorprofile.NoTTY // colorprofile would leave bold letters
	}
	return w
}

func (p *printer) write(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.out, text)
	}
}

// json prints one value.
func (p *printer) json(value any) {
	var encoded bytes.Buffer
	e := json.NewEncoder(&encoded)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		p.err = err
		return
	}
	p.write(string(plainJSON(encoded.Bytes())))
}

// line prints one line. Arguments that are texts are made plain.
func (p *printer) line(format string, args ...any) {
	p.write(plain(fmt.Sprintf(format, args...)) + "\n")
}

// heading prints a line that stands out.
func (p *printer) heading(format string, args ...any) {
	p.write(lipgloss.NewStyle().Bold(true).Render(plain(fmt.Sprintf(format, args...))) + "\n")
}

// table prints rows under headers, without borders, so that columns can be cut out by other
// commands. An empty cell is a dash. No cell is wrapped or cut. A table of lipgloss does the
// same and takes 3 seconds for 10,000 rows, this one a tenth.
func (p *printer) table(headers []string, rows [][]string) {
	wide := make([]int, len(headers))
	for i, header := range headers {
		wide[i] = lipgloss.Width(header)
	}
	for _, row := range rows {
		for i, cell := range row[:min(len(row), len(wide))] {
			if row[i] = plain(cell); cell == "" {
				row[i] = "-"
			}
			wide[i] = max(wide[i], lipgloss.Width(row[i]))
		}
	}
	p.write(lipgloss.NewStyle().Bold(true).Render(aligned(headers, wide)) + "\n")
	for _, row := range rows {
		p.write(aligned(row, wide) + "\n")
	}
}

// aligned is a row whose cells begin where those of other rows do.
func aligned(row []string, wide []int) string {
	var line strings.Builder
	for i, cell := range row[:min(len(row), len(wide))] {
		line.WriteString(cell)
		if i < len(row)-1 {
			line.WriteString(strings.Repeat(" ", wide[i]-lipgloss.Width(cell)+2))
		}
	}
	return line.String()
}

// pairs prints names and values, aligned.
func (p *printer) pairs(rows [][]string) {
	wide := 0
	for _, row := range rows {
		wide = max(wide, len(row[0]))
	}
	for _, row := range rows {
		p.line("%-*s  %s", wide, row[0], row[1])
	}
}

// more says that a list was not read to its end.
func (p *printer) more(more bool) {
	if more {
		p.line("There are more than the %d rows that were read: the numbers are too small.", operate.MaxRows)
	}
}

// node is a part of a tree: a line, and what stands below it.
type node struct {
	text  string
	below []*node
}

// add puts a line below, and returns it.
func (n *node) add(format string, args ...any) *node {
	child := &node{text: fmt.Sprintf(format, args...)}
	n.below = append(n.below, child)
	return child
}

// tree prints lines with branches before them.
func (p *printer) tree(root *node) { p.write(branches(root).String() + "\n") }

func branches(n *node) *tree.Tree {
	t := tree.Root(plain(n.text))
	for _, child := range n.below {
		if len(child.below) == 0 {
			t.Child(plain(child.text))
		} else {
			t.Child(branches(child))
		}
	}
	return t
}
