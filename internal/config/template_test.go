package config_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
)

// parameter is what template.yaml says of a parameter that is a variable.
type parameter struct {
	variable, kind, fallback string
	pattern                  *regexp.Regexp
	least, most, longest     string
	values                   []string
}

// parameters reads as much of template.yaml as is asked for here: its parameters, and
// which variable each one is.
func parameters(t *testing.T) map[string]*parameter {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*parameter{}
	section, name := "", ""
	variable := regexp.MustCompile(`^ {10}([A-Z_]+): !Ref ([A-Za-z]+)$`)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		value = strings.Trim(value, `"`)
		switch indent := len(line) - len(strings.TrimLeft(line, " ")); {
		case indent == 0 && line != "":
			section = line
		case section == "Parameters:" && indent == 2:
			name = strings.TrimSuffix(key, ":")
			all[name] = &parameter{}
		case section == "Parameters:" && indent == 4:
			p := all[name]
			switch key {
			case "Type":
				p.kind = value
			case "Default":
				p.fallback = value
			case "AllowedPattern":
				p.pattern = regexp.MustCompile(value)
			case "MinValue":
				p.least = value
			case "MaxValue":
				p.most = value
			case "MaxLength":
				p.longest = value
			case "AllowedValues":
				for v := range strings.SplitSeq(strings.Trim(value, "[]"), ",") {
					p.values = append(p.values, strings.Trim(v, ` "`))
				}
			}
		}
		if match := variable.FindStringSubmatch(line); match != nil && all[match[2]] != nil {
			all[match[2]].variable = match[1]
		}
	}
	all["NoticeBusName"].variable = config.NoticeBus // by a condition
	maps.DeleteFunc(all, func(_ string, p *parameter) bool { return p.variable == "" })
	if len(all) != 29 {
		t.Fatalf("%d parameters are variables: does this test still read the template?", len(all))
	}
	return all
}

// load loads the template's defaults and, over them, the variables given.
func load(parameters map[string]*parameter, set map[string]string) (config.Config, error) {
	env := map[string]string{
		"SECRET_ID":             "arn:aws:secretsmanager:us-east-1:123456789012:secret:aep/ims-AbCdEf",
		"QUEUE_URL":             "https://sqs.us-east-1.amazonaws.com/123456789012/requests",
		"DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters",
		"LEDGER_TABLE":          "ledger",
	}
	for _, p := range parameters {
		env[p.variable] = p.fallback
	}
	maps.Copy(env, set)
	return read(env)
}

func TestTemplateDefaults(t *testing.T) {
	t.Parallel()
	all := parameters(t)
	got, err := load(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-the function's defaults +the template's:\n%s", diff)
	}
}

// TestSAMEnv checks that local/sam-env.json names whatever sam local invoke can't know.
func TestSAMEnv(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../local/sam-env.json")
	if err != nil {
		t.Fatal(err)
	}
	var functions map[string]map[string]string
	if err := json.Unmarshal(text, &functions); err != nil {
		t.Fatal(err)
	}
	env := functions["RetriggerFunction"]
	for _, p := range parameters(t) {
		env[p.variable] = p.fallback
	}
	if _, err := read(env); err != nil {
		t.Error(err)
	}
}

// TestFunctionStartsWithEachValueThatTheTemplateAllows: The test changes one parameter at
// a time.
func TestFunctionStartsWithEachValueThatTheTemplateAllows(t *testing.T) {
	t.Parallel()
	all := parameters(t)
	free := map[string]string{"CONCURRENT_CALLS": "0"} // what another parameter must fit
	with := func(p *parameter, value string) map[string]string {
		set := maps.Clone(free)
		switch p.variable {
		case config.MaxRunAge:
			set[config.LedgerTTL] = "8760h"
		case config.LedgerTTL:
			set[config.MaxRunAge] = "1h"
		}
		set[p.variable] = value
		return set
	}
	patterns := 0
	for name, p := range all {
		values := slices.Clone(p.values)
		if p.kind == "Number" && p.values == nil {
			values = []string{p.least, p.most}
		}
		for _, value := range values {
			if _, err := load(all, with(p, value)); err != nil {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
		if p.pattern == nil || p.variable == config.RetryPolicy || p.variable == config.SweepSandboxes {
			continue // a pattern knows no JSON, and does not know that a name stands twice
		}
		patterns++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				value := rapid.StringMatching(p.pattern.String()).Draw(t, "value")
				if _, err := load(all, with(p, value)); err != nil {
					t.Errorf("%s=%s: %v", name, value, err)
				}
			})
		})
	}
	if patterns < 10 {
		t.Errorf("only %d patterns were looked at", patterns)
	}
}

// TestTemplateAllowsAsLongARetryPolicyAsTheFunction: A longer policy is refused at the
// deployment, not when the function starts.
func TestTemplateAllowsAsLongARetryPolicyAsTheFunction(t *testing.T) {
	t.Parallel()
	all := parameters(t)
	longest, err := strconv.Atoi(all["RetryPolicy"].longest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load(all, map[string]string{config.RetryPolicy: rulesOf(longest)}); err != nil {
		t.Errorf("%d bytes: %v", longest, err)
	}
	if _, err := load(all, map[string]string{config.RetryPolicy: rulesOf(longest + 1)}); err == nil {
		t.Errorf("the function takes %d bytes, which the template refuses", longest+1)
	}
}
