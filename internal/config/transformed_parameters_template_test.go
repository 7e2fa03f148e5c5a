//go:build template

package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/cloudformation"
)

// TestEachParameterSaysWhatItMayBe: a pattern, a list of values or bounds, and words for who
// has given something else. The default is one of them.
func TestEachParameterSaysWhatItMayBe(t *testing.T) {
	t.Parallel()
	for name, p := range transformed(t).Parameters {
		bounds := p.MinValue != nil && p.MaxValue != nil
		if kinds := []bool{p.AllowedPattern != "", p.AllowedValues != nil, bounds}; slices.Index(kinds, true) < 0 {
			t.Errorf("%s may be anything", name)
		}
		if (p.Type == "Number") != (bounds || name == "LogRetentionDays") {
			t.Errorf("%s is a %s", name, p.Type)
		}
		if !strings.HasPrefix(p.ConstraintDescription, "must be ") || !strings.HasSuffix(p.ConstraintDescription, ".") || p.Description == "" {
			t.Errorf("%s: what it must be is said as %q", name, p.ConstraintDescription)
		}
		if p.AllowedPattern != "" && name != "SecretArns" && !regexp.MustCompile(p.AllowedPattern).MatchString(p.Default) {
			t.Errorf("the pattern of %s refuses its default %q", name, p.Default)
		}
		if len(p.Description) > 4000 {
			t.Errorf("%s has a description of %d characters; CloudFormation takes 4000", name, len(p.Description))
		}
	}
}

// TestTheDocumentHasEachParameterWithItsDefault: docs/configuration.md has a row for each
// parameter that has no variable, and for no other.
func TestTheDocumentHasEachParameterWithItsDefault(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Template parameters\n")
	table, _, _ = strings.Cut(table, "\n### ")
	told := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+) \\| .* \\| ([^|]+) \\|$").FindAllStringSubmatch(table, -1) {
		names := regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[1], -1)
		defaults := strings.Split(row[2], "`, `")
		for i, name := range names {
			told[name[1]] = strings.Trim(defaults[min(i, len(defaults)-1)], "`")
		}
	}
	document, variables := transformed(t), object(t, transformed(t).Resources["RetriggerFunction"].Properties["Environment"])
	for name, p := range document.Parameters {
		if strings.Contains(variables, `{"Ref":"`+name+`"}`) && name != "LedgerTable" {
			continue
		}
		got, there := told[name]
		delete(told, name)
		if want := p.Default; !there || want != "" && got != want || want == "" && !strings.HasPrefix(got, "none") {
			t.Errorf("docs/configuration.md has the default %q of %s, the template %q", got, name, want)
		}
	}
	for name := range told {
		t.Errorf("docs/configuration.md has a row for %s, which is no parameter without a variable", name)
	}
}

// TestEachParameterIsInOneGroup of those that CloudFormation's console shows.
func TestEachParameterIsInOneGroup(t *testing.T) {
	t.Parallel()
	template := transformed(t)
	var face struct {
		ParameterGroups []struct{ Parameters []string }
	}
	text := object(t, template.Metadata["AWS::CloudFormation::Interface"])
	if err := json.Unmarshal([]byte(text), &face); err != nil {
		t.Fatal(err)
	}
	var grouped, all []string
	for _, group := range face.ParameterGroups {
		grouped = append(grouped, group.Parameters...)
	}
	for name := range template.Parameters {
		all = append(all, name)
	}
	slices.Sort(grouped)
	slices.Sort(all)
	if diff := cmp.Diff(all, grouped); diff != "" {
		t.Errorf("parameters and those in groups (-all +grouped):\n%s", diff)
	}
}

// TestTheTemplateIsWithinCloudFormationsLimits: 1 MB from S3, where sam deploy puts it, 200
// parameters and 500 resources
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
// CloudFormation counts what the transform makes, too.
func TestTheTemplateIsWithinCloudFormationsLimits(t *testing.T) {
	t.Parallel()
	for path, most := range map[string]int64{"../../template.yaml": 1 << 20, "../../.tools/transformed.json": 1 << 20} {
		about, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if about.Size() > most*4/5 {
			t.Errorf("%s has %d bytes, and CloudFormation takes %d", path, about.Size(), most)
		}
	}
	template := transformed(t)
	if n := len(template.Parameters); n > 200 {
		t.Errorf("%d parameters", n)
	}
	if n := len(template.Resources); n > 500 {
		t.Errorf("%d resources", n)
	}
}

// lengths are how long an explicit name may be, by type and property, as the services' own
// API references say (SQS CreateQueue, CloudWatch PutMetricAlarm and PutDashboard,
// EventBridge CreateEventBus, Logs CreateLogGroup and PutQueryDefinition, IAM PutRolePolicy).
func lengths() map[string]int {
	return map[string]int{
		"AWS::SQS::Queue QueueName": 80, "AWS::CloudWatch::Alarm AlarmName": 255, "AWS::CloudWatch::Dashboard DashboardName": 255, "AWS::Events::EventBus Name": 256,
		"AWS::Logs::LogGroup LogGroupName": 512, "AWS::Logs::QueryDefinition Name": 255,
	}
}

// TestAStackMayHaveTheLongestName: 128 characters. Each explicit name is within the limit of
// its service then; all others are CloudFormation's, which cuts them.
func TestAStackMayHaveTheLongestName(t *testing.T) {
	t.Parallel()
	set := map[string]string{"SecretArns": aSecret}
	for _, p := range everything() {
		name, value, _ := strings.Cut(p, "=")
		set[name] = value
	}
	named := 0
	for name, r := range cloudformation.New(transformed(t), strings.Repeat("s", 128), set).Resources() {
		for property, value := range r.Properties {
			text, isText := value.(string)
			if !isText || !strings.HasSuffix(property, "Name") || strings.HasPrefix(text, "ref(") || slices.Contains([]string{"MetricName", "FunctionName", "EventBusName", "DisplayName"}, property) {
				continue
			}
			named++
			most, known := lengths()[r.Type+" "+property]
			if !known {
				t.Errorf("%s has the explicit %s %q: how long may it be?", name, property, text)
			} else if len(text) > most {
				t.Errorf("%s of %s has %d characters, and its service takes %d: %s", property, name, len(text), most, text)
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d names were looked at", named)
	}
}

// TestSamBuildsForEachProcessorThatTheParameterAllows: the template names the folder of a
// Makefile for each, and the same processor to Lambda.
func TestSamBuildsForEachProcessorThatTheParameterAllows(t *testing.T) {
	t.Parallel()
	values := transformed(t).Parameters["Architecture"].AllowedValues
	if len(values) != 2 {
		t.Errorf("the processors are %v", values)
	}
	for _, one := range values {
		f := deployed(t, fmt.Sprintf("Architecture=%s", one)).Resources()["RetriggerFunction"]
		if got := object(t, f.Properties["Architectures"]); got != fmt.Sprintf(`["%s"]`, one) {
			t.Errorf("with %s the function's processors are %s", one, got)
		}
		text, err := os.ReadFile(fmt.Sprintf("../../%s/Makefile", f.Metadata["ContextPath"]))
		if err != nil || !strings.Contains(string(text), fmt.Sprintf("\nbuild-RetriggerFunction:\n\t.ci/sam/build %s ", one)) {
			t.Errorf("sam build for %s: %v\n%s", one, err, text)
		}
	}
}

// TestTheVariablesOfAStackHaveRoom in the 4 KB that Lambda has for them, measured as one JSON
// text. Lists have no longest value, so docs/configuration.md says how much is left for them.
// Patterns bound the others; here is the longest that each allows.
func TestTheVariablesOfAStackHaveRoom(t *testing.T) {
	t.Parallel()
	longest := []string{
		"RetryDelays=" + strings.Repeat("9999s,", 19) + "9999s", "SweepSince=99999m", "MaxRunAge=8760h", "BreakerCooldown=99999m", "ReconcileAfter=3600s", "ExtraSend=false", "ExtraSendAfter=1440m",
		"LedgerTtl=8760h", "BudgetWindow=1440m", "CallTimeout=50s", "SecretCacheTtl=9999s", "RetriggerOp=RE_TRIGGER", "LogLevel=error", "Mode=observe", "Paused=false",
		"BreakerThreshold=100", "QueueConcurrency=1000", "CallsPerSecond=1000", "ConcurrentCalls=1000", "FlowBudget=1000000", "OrgBudget=1000000", "SweepLimit=10000000", "MaxConcurrentRuns=100",
		"SecretArns=", "RetryPolicy=", "SweepSandboxes=", "DefaultSandbox=" + strings.Repeat("s", 256), "FlowServiceUrl=" + strings.Repeat("f", 200), "ImsUrl=" + strings.Repeat("i", 200), "NoticeBusName=" + strings.Repeat("b", 256), "LedgerTable=" + strings.Repeat("t", 255),
	}
	template := transformed(t)
	for _, one := range longest {
		name, value, _ := strings.Cut(one, "=")
		if most := template.Parameters[name].MaxLength; most != nil && value != "" && len(value) != *most {
			t.Errorf("%s may have %d characters, and the test gives it %d", name, *most, len(value))
		}
	}
	env := environment(t, deployed(t, longest...))
	env["QUEUE_URL"] = "https://sqs.ap-southeast-2.amazonaws.com/123456789012/aep-retrigger-requests-12345678-90ab-cdef-1234-567890abcdef"
	env["DEAD_LETTER_QUEUE_URL"] = "https://sqs.ap-southeast-2.amazonaws.com/123456789012/" + strings.Repeat("d", 80)
	measured, err := json.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("at least %d bytes", (4096-len(measured))/100*100); !strings.Contains(string(text), want) {
		t.Errorf("docs/configuration.md does not say that %s are left", want)
	}
}
