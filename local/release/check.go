package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

const (
	licenseFile = "LICENSE"
	noticesFile = "THIRD_PARTY_NOTICES.txt"
)

// origin is what each binary of a release comes from: the version and commit, and the Go
// release, such as go1.26.11.
type origin struct{ version, golang string }

// check fails if the folder is not a release of the version: a file more or less, a wrong
// checksum, an archive without what must be in it, a binary of another version, platform or
// Go release, an SBOM or notices that name other modules than the binary. It says all that
// is wrong, not only the first thing.
func check(ctx context.Context, out io.Writer, from origin, folder string) error {
	files, err := readFolder(folder)
	if err != nil {
		return err
	}
	faults := checkNames(from.version, files)
	if sums := files[sumsFile]; sums != nil {
		rest := make(map[string][]byte, len(files))
		for name, content := range files {
			if name != sumsFile {
				rest[name] = content
			}
		}
		if !bytes.Equal(sums, sumsOf(rest)) {
			faults = append(faults, fmt.Errorf("%s is not that of the files beside it", sumsFile))
		}
	}
	for _, a := range archives() {
		name := a.name(short(from.version))
		content, found := files[name]
		if !found {
			continue // checkNames has said so
		}
		modules, err := a.check(ctx, from, name, content, files[name+sbomSuffix])
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if _, err := fmt.Fprintf(out, "%s: version %s, %d modules in its SBOM and its notices\n", name, from.version, modules); err != nil {
			return err
		}
	}
	return errors.Join(faults...)
}

// readFolder returns the files of a folder by name.
func readFolder(folder string) (map[string][]byte, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		files[entry.Name()] = content
	}
	return files, nil
}

// checkNames compares the names of the files with those of a release. A template must lead to
// the zip of its architecture.
func checkNames(version string, files map[string][]byte) (faults []error) {
	want := []string{sumsFile}
	for _, a := range archives() {
		name := a.name(short(version))
		want = append(want, name, name+sbomSuffix)
		if a.lambda == "" {
			continue
		}
		template := a.template(short(version))
		want = append(want, template)
		if text, found := files[template]; found && !bytes.Contains(text, []byte("CodeUri: ./"+name+"\n")) {
			faults = append(faults, fmt.Errorf("%s does not lead to %s", template, name))
		}
	}
	for _, name := range want {
		if _, found := files[name]; !found {
			faults = append(faults, fmt.Errorf("%s is missing", name))
		}
	}
	for name := range files {
		if !slices.Contains(want, name) {
			faults = append(faults, fmt.Errorf("%s is no file of a release", name))
		}
	}
	return faults
}

// check looks at one archive and its SBOM. It returns how many modules the binary has.
func (a archive) check(ctx context.Context, from origin, name string, content, sbom []byte) (modules int, err error) {
	found, err := readArchive(name, content)
	if err != nil {
		return 0, err
	}
	want := []string{licenseFile, noticesFile, a.binary()}
	slices.Sort(want)
	var names []string
	texts := map[string][]byte{}
	for _, f := range found {
		names = append(names, f.name)
		texts[f.name] = f.content
		if f.permissions != f.mode() {
			err = errors.Join(err, fmt.Errorf("%s has the permissions %v, want %v", f.name, f.permissions, f.mode()))
		}
		if f.at != found[0].at {
			err = errors.Join(err, fmt.Errorf("%s is of %s, and %s of %s", f.name, f.at, found[0].name, found[0].at))
		}
	}
	if !slices.Equal(names, want) {
		return 0, errors.Join(err, fmt.Errorf("its files are %q, want %q", names, want))
	}
	info, readErr := buildinfo.Read(bytes.NewReader(texts[a.binary()]))
	if readErr != nil {
		return 0, errors.Join(err, readErr)
	}
	return len(info.Deps), errors.Join(err,
		a.checkBinary(ctx, from, info, texts[a.binary()]), checkNotices(info, string(texts[noticesFile])), checkSBOM(info, from.version, sbom))
}

// checkBinary compares what the binary says of itself with what it must be. If it is for this
// machine, it is asked for its version; in others the version must stand.
func (a archive) checkBinary(ctx context.Context, from origin, info *debug.BuildInfo, binary []byte) error {
	var faults []error
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if info.GoVersion != from.golang {
		wrong("the binary was built by %s, want %s", info.GoVersion, from.golang)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
		if strings.HasPrefix(s.Key, "vcs") {
			wrong("the binary has a stamp of the version control: %s", s.Key)
		}
	}
	for key, want := range map[string]string{"GOOS": a.system, "GOARCH": a.architecture, "CGO_ENABLED": "0", "-trimpath": "true"} {
		if settings[key] != want {
			wrong("the binary has %s=%q, want %q", key, settings[key], want)
		}
	}
	if !bytes.Contains(binary, []byte(from.version)) {
		wrong("the binary lacks its version %s", from.version)
	}
	if a.system == runtime.GOOS && a.architecture == runtime.GOARCH {
		faults = append(faults, askVersion(ctx, a.binary(), from.version, binary))
	}
	return errors.Join(faults...)
}

// askVersion runs a binary with --version.
func askVersion(ctx context.Context, name, version string, binary []byte) error {
	folder, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system cleans up what is left
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, binary, 0o700); err != nil { //nolint:gosec // it is a program, and is to be run
		return err
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s --version: %w", name, err)
	}
	words := strings.Fields(string(out))
	if len(words) == 0 || words[len(words)-1] != version {
		return fmt.Errorf("%s --version says %q, want the version %s", name, out, version)
	}
	return nil
}

// checkNotices fails if the notices name other parts than the binary has: its modules, and Go
// itself.
func checkNotices(info *debug.BuildInfo, notices string) error {
	want := []string{"Go's runtime and standard library " + info.GoVersion}
	for _, dep := range info.Deps {
		want = append(want, dep.Path+" "+dep.Version)
	}
	list, _, _ := strings.Cut(notices, "\n"+strings.Repeat("=", 80)+"\n") // of the first license
	var named []string
	for line := range strings.Lines(list) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			named = append(named, name)
		}
	}
	return sameParts("the notices name", named, want)
}

// checkSBOM fails if the SBOM names other parts than the binary has.
func checkSBOM(info *debug.BuildInfo, version string, text []byte) error {
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		return fmt.Errorf("the SBOM: %w", err)
	}
	if bom.Metadata == nil || bom.Metadata.Component == nil || bom.Metadata.Component.Version != version {
		return fmt.Errorf("the SBOM is not of version %s", version)
	}
	want := []string{"stdlib " + strings.TrimPrefix(info.GoVersion, "go")}
	for _, dep := range info.Deps {
		want = append(want, dep.Path+" "+dep.Version)
	}
	var named []string
	if bom.Components != nil {
		for _, c := range *bom.Components {
			named = append(named, c.Name+" "+c.Version)
		}
	}
	return sameParts("the SBOM names", named, want)
}

// sameParts compares the parts that a document names with those that are in the binary.
func sameParts(document string, named, want []string) error {
	var faults []error
	for _, name := range want {
		if !slices.Contains(named, name) {
			faults = append(faults, fmt.Errorf("%s no %s, which is in the binary", document, name))
		}
	}
	for _, name := range named {
		if !slices.Contains(want, name) {
			faults = append(faults, fmt.Errorf("%s %s, which is not in the binary", document, name))
		}
	}
	return errors.Join(faults...)
}
