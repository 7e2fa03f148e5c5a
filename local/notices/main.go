// Command notices writes the licenses of the third-party code in a binary into a
// file: go run ./local/notices dist/bootstrap dist/THIRD_PARTY_NOTICES.txt
//
// The binary itself says which modules it is made of. Their texts come from Go's
// module cache, so no network is needed after a build. A module without a license
// text is an error, so that we never ship code that we may not ship.
//
// The usual tool, go-licenses, leaves out Go's own license, although each binary
// contains Go's runtime and standard library.
package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("name the binary and the file to write: go run ./local/notices dist/bootstrap dist/THIRD_PARTY_NOTICES.txt")
	}
	text, err := notices(ctx, ".", args[0])
	if err != nil {
		return err
	}
	return os.WriteFile(args[1], text, 0o644) //nolint:gosec // whoever gets the binary may read its licenses
}

// component is a part of the binary with a license of its own: Go, or a module.
type component struct {
	name    string              // for example "golang.org/x/sync v0.24.0"
	root    string              // the folder with its sources
	folders map[string]struct{} // the folders of its packages in the binary
}

// notices returns the notices of a binary that was built from the sources in the
// folder root. The same binary always gives the same text.
func notices(ctx context.Context, root, binary string) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	golang, err := goItself(ctx, root, info.GoVersion)
	if err != nil {
		return nil, err
	}
	modules, err := modulesOf(ctx, root, info)
	if err != nil {
		return nil, err
	}
	return text(append([]component{golang}, modules...))
}

// goItself returns the Go release that built the binary.
func goItself(ctx context.Context, root, version string) (component, error) {
	out, err := command(ctx, root, nil, "env", "GOVERSION", "GOROOT")
	if err != nil {
		return component{}, err
	}
	here, folder, _ := strings.Cut(strings.TrimSpace(out), "\n")
	if here != version {
		return component{}, fmt.Errorf("the binary was built by %s, but this is %s", version, here)
	}
	return component{name: "Go's runtime and standard library " + version, root: folder}, nil
}

// modulesOf returns the modules in the binary, sorted as the binary lists them. The
// binary has no folders, so `go list` gives them, for the binary's own platform and tags.
func modulesOf(ctx context.Context, root string, info *buildinfo.BuildInfo) ([]component, error) {
	var env []string
	args := []string{"list", "-deps", "-f", "{{with .Module}}{{.Path}}\t{{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}\t{{.Dir}}\t{{$.Dir}}{{end}}"}
	for _, s := range info.Settings {
		switch s.Key {
		case "-tags":
			args = append(args, "-tags", s.Value)
		case "GOOS", "GOARCH", "CGO_ENABLED":
			env = append(env, s.Key+"="+s.Value)
		}
	}
	out, err := command(ctx, root, env, append(args, info.Path)...)
	if err != nil {
		return nil, err
	}
	listed := map[string]component{} // by path and version
	for line := range strings.Lines(out) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(fields) != 4 { // the empty line of a package of Go's own
			continue
		}
		key := fields[0] + " " + fields[1]
		if _, known := listed[key]; !known {
			listed[key] = component{root: fields[2], folders: map[string]struct{}{}}
		}
		listed[key].folders[fields[3]] = struct{}{}
	}
	var modules []component
	for _, dep := range info.Deps {
		version := dep.Version
		if dep.Replace != nil {
			version = strings.TrimPrefix(dep.Replace.Version, "(devel)") // which stands for a folder
		}
		module, found := listed[dep.Path+" "+version]
		if !found {
			return nil, fmt.Errorf("the binary contains %s %s, but its sources here don't; build it again", dep.Path, version)
		}
		module.name = strings.TrimSpace(dep.Path + " " + version)
		modules = append(modules, module)
	}
	return modules, nil
}

var (
	// license matches the names of files with the terms of a license.
	license = regexp.MustCompile(`(?i)^(un)?licen[sc]es?([-._]|$)|^copying([-._]|$)`)
	// notice matches the names of files that have to come with a license.
	notice = regexp.MustCompile(`(?i)^(notice|patents|copyright)s?([-._]|$)`)
	// source matches the names of Go files, such as license.go, which are neither.
	source = regexp.MustCompile(`(?i)\.(go|s|mod|sum)$`)
)

// texts returns a component's files about its license, by their paths in it: those at
// its root, and those beside the packages that are in the binary, since a module can
// contain code of others under another license.
func (c component) texts() (map[string]string, error) {
	folders := map[string]struct{}{c.root: {}}
	for folder := range c.folders {
		for ; len(folder) > len(c.root); folder = filepath.Dir(folder) {
			folders[folder] = struct{}{}
		}
	}
	texts, licensed := map[string]string{}, false
	for folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := entry.Name()
			terms := license.MatchString(name)
			if !entry.Type().IsRegular() || source.MatchString(name) || !terms && !notice.MatchString(name) {
				continue
			}
			content, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				return nil, err
			}
			path, err := filepath.Rel(c.root, filepath.Join(folder, name))
			if err != nil {
				return nil, err
			}
			texts[filepath.ToSlash(path)] = clean(content)
			licensed = licensed || terms && folder == c.root && len(bytes.TrimSpace(content)) > 0
		}
	}
	if !licensed {
		return nil, fmt.Errorf("%s has no license text in %s, so the binary must not be shipped", c.name, c.root)
	}
	return texts, nil
}

// clean returns a text with Unix line ends and without white space at the ends of lines.
func clean(content []byte) string {
	var lines []string
	for line := range strings.Lines(string(content)) {
		lines = append(lines, strings.TrimRight(line, " \t\r\n"))
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n") + "\n"
}

// text returns the notices of the components. It has each license once, below the
// names of all components that use it: the AWS SDK's modules all come with the same.
func text(components []component) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("This product contains the following third-party software. Its licenses follow.\n\n")
	users := map[string][]string{} // by license text
	var licenses []string          // in the order of their first users
	for _, c := range components {
		fmt.Fprintf(&out, "- %s\n", c.name)
		texts, err := c.texts()
		if err != nil {
			return nil, err
		}
		for _, path := range slices.Sorted(maps.Keys(texts)) {
			t := texts[path]
			if users[t] == nil {
				licenses = append(licenses, t)
			}
			users[t] = append(users[t], c.name+": "+path)
		}
	}
	for _, t := range licenses {
		fmt.Fprintf(&out, "\n%s\n%s\n%s\n\n%s", strings.Repeat("=", 80), strings.Join(users[t], "\n"), strings.Repeat("-", 80), t)
	}
	return out.Bytes(), nil
}

// command returns what a go command prints.
func command(ctx context.Context, folder string, env []string, args ...string) (string, error) {
	var problems bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env, cmd.Stderr = folder, append(os.Environ(), env...), &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, problems.String())
	}
	return string(out), nil
}
