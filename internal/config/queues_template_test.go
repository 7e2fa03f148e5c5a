package config_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
)

// resources returns the text of each resource of template.yaml, by its name.
func resources(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\nResources:\n")
	section, _, ends := strings.Cut(section, "\nOutputs:\n")
	if !found || !ends {
		t.Fatal("the template has no resources: does this test still read it?")
	}
	all := map[string]string{}
	heads := regexp.MustCompile(`(?m)^  ([A-Za-z]+):$`).FindAllStringSubmatchIndex(section, -1)
	for i, head := range heads {
		end := len(section)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		all[section[head[2]:head[3]]] = section[head[1]:end]
	}
	return all
}

// TestQueuesOfTheTemplateHaveTheSizesThatTheFunctionExpects: A dead letter with all its
// attributes fits beside the largest message of the request queue.
func TestQueuesOfTheTemplateHaveTheSizesThatTheFunctionExpects(t *testing.T) {
	t.Parallel()
	all := resources(t)
	size := regexp.MustCompile(`(?m)^      MaximumMessageSize: (\d+)( #.*)?$`)
	for queue, want := range map[string]int{"RequestQueue": sqstext.MaxRequest, "DeadLetterQueue": sqstext.MaxMessage} {
		matches := size.FindAllStringSubmatch(all[queue], -1)
		if len(matches) != 1 {
			t.Errorf("%s has %d MaximumMessageSize, want 1", queue, len(matches))
			continue
		}
		if got, err := strconv.Atoi(matches[0][1]); err != nil || got != want {
			t.Errorf("%s takes messages of %d bytes (%v), the function believes %d", queue, got, err, want)
		}
	}
	const names, kind = len("adobeRequestId"), len("String")
	if most := 10 * (names + kind + sqstext.MaxAttribute); sqstext.MaxRequest+most > sqstext.MaxMessage {
		t.Errorf("ten attributes may have %d bytes, and there is room for %d", most, sqstext.MaxMessage-sqstext.MaxRequest)
	}
}
