package main

import (
	"bytes"
	"debug/buildinfo"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func TestSBOMNamesTheModulesOfTheBinaryAndNoOthers(t *testing.T) {
	t.Parallel()
	binary := ownBinary(t)
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	text, err := newSBOM(someVersion, "aep-retrigger", binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSBOM(info, someVersion, text); err != nil {
		t.Errorf("its own SBOM: %v", err)
	}
	for _, words := range []string{`"bomFormat": "CycloneDX"`, `"pkg:golang/stdlib@1.`, `"pkg:golang/github.com/CycloneDX/cyclonedx-go@v`} {
		if !strings.Contains(string(text), words) {
			t.Errorf("the SBOM lacks %s", words)
		}
	}
	for _, words := range []string{"timestamp", "serialNumber"} {
		if strings.Contains(string(text), words) {
			t.Errorf("the SBOM has a %s, which differs from build to build", words)
		}
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	all := *bom.Components
	for name, c := range map[string]struct {
		components []cdx.Component
		want       string
	}{
		"one is missing":       {all[1:], "no stdlib"},
		"one is too many":      {append([]cdx.Component{{Name: "example.com/other", Version: "v1.0.0"}}, all...), "example.com/other v1.0.0, which is not in the binary"},
		"of another version":   {append([]cdx.Component{{Name: "stdlib", Version: "1.2.3"}}, all[1:]...), "stdlib 1.2.3, which is not in the binary"},
		"there is no list":     {nil, "no stdlib"},
		"and it is other code": {all, "is not of version"},
	} {
		bom.Components = &c.components
		bom.Metadata.Component.Version = map[bool]string{true: "0.2.0", false: someVersion}[strings.Contains(name, "other code")]
		var changed bytes.Buffer
		if err := cdx.NewBOMEncoder(&changed, cdx.BOMFileFormatJSON).Encode(&bom); err != nil {
			t.Fatal(err)
		}
		if err := checkSBOM(info, someVersion, changed.Bytes()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestNoticesNameTheModulesOfTheBinaryAndNoOthers(t *testing.T) {
	t.Parallel()
	info, err := buildinfo.Read(bytes.NewReader(ownBinary(t)))
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{"- Go's runtime and standard library " + info.GoVersion + "\n"}
	for _, dep := range info.Deps {
		lines = append(lines, "- "+dep.Path+" "+dep.Version+"\n")
	}
	list := strings.Join(lines, "")
	licenses := "\n" + strings.Repeat("=", 80) + "\n- a line of a license\n"
	if err := checkNotices(info, list+licenses); err != nil {
		t.Error(err)
	}
	if err := checkNotices(info, "- example.com/other v1.0.0\n"+list+licenses); err == nil || !strings.Contains(err.Error(), "not in the binary") {
		t.Errorf("one too many: error %v", err)
	}
	if err := checkNotices(info, licenses+list); err == nil || !strings.Contains(err.Error(), "no Go's runtime") {
		t.Errorf("none named: error %v", err)
	}
}

// TestReleaseThatIsNotWholeIsRefused: a whole one takes minutes to build. .ci/release-check
// checks one, and .ci/selftest changes it.
func TestReleaseThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	const zip = "aep-retrigger-function_0.1.0_arm64.zip"
	content, err := archiveOf(zip, time.Unix(0, 0), []file{{licenseFile, nil}, {"bootstrap", nil}})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, content := range map[string][]byte{
		zip: content, "aep-retrigger_0.1.0_plan9_arm64.tar.gz": nil, sumsFile: []byte("0  a\n"),
		"aep-retrigger-template_0.1.0_x86_64.yaml": []byte("      CodeUri: ./" + zip + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err = check(t.Context(), io.Discard, origin{someVersion, "go1.1"}, folder)
	if err == nil {
		t.Fatal("it is taken for a release")
	}
	for _, want := range []string{
		"aep-retrigger_0.1.0_darwin_arm64.tar.gz is missing", "plan9_arm64.tar.gz is no file of a release", "SHA256SUMS is not that of the files",
		"_x86_64.yaml does not lead to aep-retrigger-function_0.1.0_x86_64.zip", zip + `: its files are ["LICENSE" "bootstrap"]`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestBinaryOfAnotherVersionOrPlatformIsRefused(t *testing.T) {
	t.Parallel()
	binary := ownBinary(t)
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	another := "0.1.0+" + strings.Repeat("f", 12)
	err = archive{program: commandProgram, system: "plan9", architecture: "mips"}.checkBinary(t.Context(), origin{another, "go1.1"}, info, binary)
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{"want go1.1", "lacks its version " + another, `want "plan9"`, `want "mips"`, `the binary has -trimpath="", want "true"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}
