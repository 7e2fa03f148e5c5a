package main

import (
	"os"
	"strings"
	"testing"
)

func TestTemplateOfAReleaseIsTheRepositorysWithAnotherCode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, lambda := range []string{"arm64", "x86_64"} {
		got, err := templateFor(string(text), "function.zip", lambda)
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range []string{"BuildMethod", "LicenseUrl", "ReadmeUrl", "CodeUri: .\n"} {
			if strings.Contains(got, words) {
				t.Errorf("%s: the template has %s, which is for the repository's files", lambda, words)
			}
		}
		if !strings.Contains(got, "      CodeUri: ./function.zip\n") {
			t.Errorf("%s: the template does not lead to the zip", lambda)
		}
		kept := map[string]bool{}
		for line := range strings.Lines(string(text)) {
			kept[line] = true
		}
		changed := 0
		for line := range strings.Lines(got) {
			if !kept[line] {
				changed++
			}
		}
		if limit := map[string]int{"arm64": 2, "x86_64": 3}[lambda]; changed > limit {
			t.Errorf("%s: %d lines are not the repository's, want %d at most", lambda, changed, limit)
		}
	}
}

func TestTemplateThatIsNotUnderstoodMakesNoRelease(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(text), "      CodeUri: .\n", "      CodeUri: functions/\n", 1)
	if _, err := templateFor(other, "function.zip", "arm64"); err == nil || !strings.Contains(err.Error(), "the function's code") {
		t.Errorf("error %v, want one that names the code", err)
	}
}
