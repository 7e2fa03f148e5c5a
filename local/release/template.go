package main

import (
	"fmt"
	"regexp"
)

// templateFor returns the template that deploys a zip of the function without building it:
// sam deploy (or aws cloudformation package) uploads the zip that lies beside the template.
// Whatever is for a build, or for files of the repository, is left out. The rest is the
// repository's template, with its comments.
func templateFor(template, zip, lambda string) (string, error) {
	for _, change := range []struct {
		what, pattern, now string
		times              int
	}{
		{"the function's code", `(?m)^      CodeUri: \.$`, "      CodeUri: ./" + zip, 1},
		{"how the function is built", `(?m)^    Metadata:\n(?:      .*\n)+`, "", 1},
		{"the files of the repository", `(?m)^    (?:LicenseUrl|ReadmeUrl): .*\n`, "", 2},
		{"the architecture", `(?m)^(  Architecture:\n    Type: String\n    Default: )arm64$`, "${1}" + lambda, 1},
		{"the other architecture", `AllowedValues: \[arm64, x86_64\]`, "AllowedValues: [" + lambda + "]", 1},
	} {
		pattern := regexp.MustCompile(change.pattern)
		if n := len(pattern.FindAllStringIndex(template, -1)); n != change.times {
			return "", fmt.Errorf("template.yaml: %s is found in %d places, want %d: has the template changed? See templateFor", change.what, n, change.times)
		}
		template = pattern.ReplaceAllString(template, change.now)
	}
	return template, nil
}
