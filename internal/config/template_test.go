package config_test

import (
	"encoding/json"
	"fmt"
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
	all["ReservedConcurrency"].variable = config.Reserved // by a condition
	maps.DeleteFunc(all, func(_ string, p *parameter) bool { return p.variable == "" })
	if len(all) != 25 {
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

// TestTemplateAllowsWhatStarts checks that the function starts with whatever the
// template lets pass for one parameter.
func TestTemplateAllowsWhatStarts(t *testing.T) {
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
			if p.variable == config.Reserved {
				values[0] = "1" // 0 is none, by a condition
			}
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

// TestTheTemplateAllowsAsLongARetryPolicyAsTheFunction: a longer one is refused at the
// deployment, and not when the function starts.
func TestTheTemplateAllowsAsLongARetryPolicyAsTheFunction(t *testing.T) {
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

// TestTemplatePatterns checks the ends of what the template's patterns allow.
func TestTemplatePatterns(t *testing.T) {
	t.Parallel()
	all := parameters(t)
	hours, minutes := func(n int) string { return strconv.Itoa(n) + "h" }, func(n int) string { return strconv.Itoa(n) + "m" }
	for name, test := range map[string]struct{ allowed, refused []string }{
		"SweepSince":      {[]string{"1m", "99999m", "1h", "9h", "10h", "999h", "1000h", "7999h", "8000h", "8699h", "8700h", "8759h", "8760h"}, []string{"0m", "0h", "8761h", "8770h", "8800h", "9000h", "10000h", "1s", "24", "1.5h", " 1h"}},
		"BreakerCooldown": {[]string{"1m", "99999m", "1h", "8760h"}, []string{"0m", "0h", "8761h", "9000h", "1s"}},
		"MaxRunAge":       {[]string{"1h", "840h"}, []string{"0h", "8761h", "9000h", "60m"}},
		"LedgerTtl":       {[]string{"168h", "8760h"}, []string{"0h", "1h", "9h", "10h", "19h", "23h", "8761h", "9000h"}},
		"ReconcileAfter":  {[]string{"0s", "9s", "99s", "999s", "1000s", "2999s", "3599s", "3600s"}, []string{"3601s", "3610s", "3700s", "4000s", "1m"}},
		"BudgetWindow":    {[]string{"1m", "999m", "1000m", "1399m", "1439m", "1440m", "1h", "9h", "10h", "19h", "20h", "24h"}, []string{"0m", "0h", "1441m", "1450m", "1500m", "2000m", "25h", "30h", "60s"}},
		"SecretCacheTtl":  {[]string{"0s", "9999s", "0m", "1440m", "0h", "24h"}, []string{"86401s", "1441m", "25h"}},
		"CallTimeout":     {[]string{"1s", "50s"}, []string{"0s", "51s"}},
		"RetryDelays":     {[]string{"0s", "0s,5m,30m", "9999s", "720m", "12h", "0s" + strings.Repeat(",12h", 19)}, []string{"", "5", "0s,", "721m", "800m", "13h", "20h", "0s" + strings.Repeat(",12h", 20), "1h.m"}},
		"FlowServiceUrl":  {[]string{"https://a.b:8443/c/d", "https://a.b/"}, []string{"http://a.b", "https://a.b:x", "https://a.b?c", "https://u@a.b", "https://a.b/%zz"}},
	} {
		p := all[name]
		for _, value := range test.allowed {
			if !p.pattern.MatchString(value) {
				t.Errorf("%s=%s is refused", name, value)
			}
			if _, err := load(all, map[string]string{p.variable: value}); err != nil {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
		for _, value := range test.refused {
			if p.pattern.MatchString(value) {
				t.Errorf("%s=%s is allowed", name, value)
			}
		}
	}
	// Of each number that a pattern allows the function must start with every one, and
	// of whole hours and minutes the pattern must allow each that the function does.
	for n := range 10_000 {
		for name, values := range map[string][]string{
			"SweepSince": {hours(n)}, "BreakerCooldown": {hours(n)}, "BudgetWindow": {hours(n), minutes(n)},
			"ReconcileAfter": {strconv.Itoa(n) + "s"}, "SecretCacheTtl": {hours(n), minutes(n)},
		} {
			for _, value := range values {
				_, err := load(nil, map[string]string{all[name].variable: value})
				if allowed := all[name].pattern.MatchString(value); allowed != (err == nil) {
					t.Fatal(fmt.Sprintf("%s=%s: allowed %t,", name, value, allowed), err)
				}
			}
		}
	}
}
