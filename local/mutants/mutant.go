package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// mutant is a fault of the code that a test must find.
type mutant struct {
	// id is short. M01 to M32 are those of the review, with the same numbers; S1 to S5 have
	// the meaning of the broken stores of functions/retrigger/model_test.go.
	id string
	// what is broken, in one sentence.
	what string
	// invariant is the one of the first four that breaks, if CI runs the mutant.
	invariant string
	edits     []edit
	// tests are run one after the other, until one fails.
	tests []tests
	// survives says why no test can find the mutant; empty where one must.
	survives string
}

// edit replaces a text in the code of a package, which must stand there exactly once.
type edit struct{ pkg, old, text string }

// tests are those tests of one package that match a pattern.
type tests struct {
	pkg, run string
	// args are more arguments of the test binary.
	args []string
}

// verdict is what the tests say of a mutant.
type verdict struct {
	killer string // the test that failed; empty where none did
}

// maxTime ends a test that hangs; the mutant is found then.
const maxTime = 5 * time.Minute

// choose returns the table's mutants that are wanted, if all of the table fits the code.
func choose(root string, wanted func(*mutant) bool) (chosen []*mutant, err error) {
	var errs []error
	all := table()
	for i := range all {
		m := &all[i]
		if _, err := m.changed(root); err != nil {
			errs = append(errs, err)
		}
		if wanted(m) {
			chosen = append(chosen, m)
		}
	}
	return chosen, errors.Join(errs...)
}

// changed returns the mutant's files with their new texts, by their paths.
func (m *mutant) changed(root string) (map[string]string, error) {
	texts := map[string]string{}
	for _, e := range m.edits {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(e.pkg), "*.go"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.id, err)
		}
		found, in := 0, ""
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			if _, changed := texts[file]; !changed {
				content, err := os.ReadFile(file)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", m.id, err)
				}
				texts[file] = string(content)
			}
			if n := strings.Count(texts[file], e.old); n > 0 {
				found, in = found+n, file
			}
		}
		if found != 1 {
			return nil, fmt.Errorf("%s: its text stands %d times in %s, and must stand there once: carry the mutant over to the code as it is now: %q", m.id, found, e.pkg, e.old)
		}
		texts[in] = strings.Replace(texts[in], e.old, e.text, 1)
	}
	return texts, nil
}

// overlay writes the mutant's changed files and Go's description of them, and returns
// where that is.
func (m *mutant) overlay(root, folder string) (string, error) {
	texts, err := m.changed(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range texts {
		path := filepath.Join(folder, fmt.Sprintf("%s-%d.go", m.id, len(replace)))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[file] = path
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, m.id+".json")
	return path, os.WriteFile(path, encoded, 0o600)
}

// try runs the mutant's tests. A mutant that can't be built is an error, and not found.
func (m *mutant) try(ctx context.Context, root, folder string) (verdict, error) {
	overlay, err := m.overlay(root, folder)
	if err != nil {
		return verdict{}, err
	}
	for _, t := range m.tests {
		binary, err := build(ctx, root, folder, t.pkg, overlay)
		if err != nil {
			return verdict{}, err
		}
		killer, err := t.failed(ctx, root, binary)
		if killer != "" || err != nil {
			return verdict{killer}, err
		}
	}
	return verdict{}, nil
}

// build builds a package's tests; an empty overlay means the code as it is.
func build(ctx context.Context, root, folder, pkg, overlay string) (binary string, err error) {
	binary = filepath.Join(folder, "mutant.test")
	if err := os.RemoveAll(binary); err != nil { // the last one's must not be run again
		return "", err
	}
	command := exec.CommandContext(ctx, "go", "test", "-tags", "slow", "-c", "-o", binary, "-overlay", overlay, "./"+pkg)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the tests of %s can't be built, which is no kill: %w\n%s", pkg, err, out)
	}
	if _, err := os.Stat(binary); err != nil {
		return "", fmt.Errorf("%s has no tests: %w", pkg, err)
	}
	return binary, nil
}

// failed runs the tests of a built binary, and returns the name of the one that fails.
// Empty means that all pass. It is an error where the pattern matches none.
func (t *tests) failed(ctx context.Context, root, binary string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime+time.Minute)
	defer cancel()
	args := append([]string{"-test.run", t.run, "-test.failfast", "-test.timeout", maxTime.String()}, t.args...)
	command := exec.CommandContext(ctx, binary, args...)
	command.Dir = filepath.Join(root, filepath.FromSlash(t.pkg))
	out, err := command.CombinedOutput()
	switch {
	case err == nil && strings.Contains(string(out), "no tests to run"):
		return "", fmt.Errorf("no test of %s matches %q: give the mutant tests that exist", t.pkg, t.run)
	case err == nil:
		return "", nil
	case !errors.As(err, new(*exec.ExitError)):
		return "", fmt.Errorf("the tests of %s can't be run: %w", t.pkg, err)
	}
	return killer(string(out)), nil
}

var failedTest = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)

// killer returns the test that a test binary's output says has failed: the innermost of
// the first one's subtests.
func killer(out string) string {
	if strings.Contains(out, "panic: test timed out") {
		return "a time-out"
	}
	first := ""
	for _, match := range failedTest.FindAllStringSubmatch(out, -1) {
		if first == "" || strings.HasPrefix(match[1], first+"/") {
			first = match[1]
		}
	}
	if first == "" {
		return "a crash"
	}
	return first
}

// unbroken runs the tests of all chosen mutants with the code as it is: a test that fails
// anyway finds nothing.
func unbroken(ctx context.Context, root, folder string, chosen []*mutant, out *log.Logger) error {
	began := time.Now()
	var all []tests
	for _, m := range chosen {
		for _, t := range m.tests {
			same := func(o tests) bool { return o.pkg == t.pkg && o.run == t.run && slices.Equal(o.args, t.args) }
			if !slices.ContainsFunc(all, same) {
				all = append(all, t)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b tests) int { return strings.Compare(a.pkg, b.pkg) })
	binary, pkg := "", ""
	for _, t := range all {
		if t.pkg != pkg {
			var err error
			if binary, err = build(ctx, root, folder, t.pkg, ""); err != nil {
				return err
			}
			pkg = t.pkg
		}
		name, err := t.failed(ctx, root, binary)
		if err != nil {
			return err
		}
		if name != "" {
			return fmt.Errorf("%s of %s fails without a mutant: mend it first", name, t.pkg)
		}
	}
	out.Printf("without a mutant the tests pass, in %.0f s", time.Since(began).Seconds())
	return nil
}
