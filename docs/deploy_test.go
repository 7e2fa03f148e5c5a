package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// parameters returns the names of template.yaml's parameters, and of those the ones that have
// no default.
func parameters(t *testing.T) (all, required []string) {
	t.Helper()
	_, rest, _ := strings.Cut(read(t, "template.yaml"), "\nParameters:\n")
	section, _, found := strings.Cut(rest, "\nConditions:\n")
	if !found {
		t.Fatal("template.yaml has no parameters, or no conditions after them")
	}
	for _, block := range regexp.MustCompile(`(?m)^  ([A-Za-z]+):\n(?:    .*\n)+`).FindAllStringSubmatch(section+"\n", -1) {
		all = append(all, block[1])
		if !strings.Contains(block[0], "\n    Default: ") {
			required = append(required, block[1])
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d parameters are found: %q", len(all), all)
	}
	return all, required
}

// override is a parameter in a command line of the SAM CLI, or in parameters.yaml.
var override = regexp.MustCompile(`(?m)(?:^| )([A-Z][A-Za-z]+)(?:=|: )`)

// TestFirstDeploymentNeedsThreeValues holds README's command against the template: it names
// three parameters, they are there, and every other one has a default.
func TestFirstDeploymentNeedsThreeValues(t *testing.T) {
	t.Parallel()
	all, required := parameters(t)
	commands := regexp.MustCompile(`(?m)^sam build && sam deploy --no-confirm-changeset --parameter-overrides \\\n.*$`)
	command := commands.FindString(read(t, "README.md"))
	var named []string
	for _, match := range override.FindAllStringSubmatch(command, -1) {
		named = append(named, match[1])
	}
	if !slices.Equal(named, []string{"SecretArns", "EventBusName", "NotifyEmail"}) {
		t.Errorf("README's first deployment names %q in %q", named, command)
	}
	for _, name := range named {
		if !slices.Contains(all, name) {
			t.Errorf("README's first deployment names %s, which template.yaml lacks", name)
		}
	}
	for _, name := range required {
		if !slices.Contains(named, name) {
			t.Errorf("%s has no default, and README's first deployment does not name it", name)
		}
	}
	if other := commands.FindString(read(t, "docs/deploy.md")); other != command {
		t.Errorf("docs/deploy.md has another command for the first deployment: %q", other)
	}
	for path, words := range map[string]string{"samconfig.toml": `stack_name = "aep-retrigger"`, "README.md": "aep-retrigger doctor --stack aep-retrigger"} {
		if !strings.Contains(read(t, path), words) {
			t.Errorf("%s lacks %s: the command does not name the stack", path, words)
		}
	}
}

// TestDeploymentsInDocumentsNameParametersThatAreThere: in the command lines of sam deploy, and
// in the file of parameters that docs/deploy.md shows.
func TestDeploymentsInDocumentsNameParametersThatAreThere(t *testing.T) {
	t.Parallel()
	all, _ := parameters(t)
	seen := 0
	for _, path := range documents(t) {
		text := read(t, path)
		lines := regexp.MustCompile(`(?m)^.*sam deploy .*--parameter-overrides (?:\\\n)?.*$`).FindAllString(text, -1)
		lines = append(lines, regexp.MustCompile("(?s)```yaml\n# parameters.yaml\n.*?```").FindAllString(text, -1)...)
		for _, line := range lines {
			for _, match := range override.FindAllStringSubmatch(line, -1) {
				seen++
				if !slices.Contains(all, match[1]) {
					t.Errorf("%s deploys with %s, which template.yaml lacks: %s", path, match[1], line)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("%d parameters, fewer than there were: does this test still find them?", seen)
	}
}
