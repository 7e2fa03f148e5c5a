package config_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// property returns the value of a property of a resource, which must stand there once.
func property(t *testing.T, resource, name string) string {
	t.Helper()
	matches := regexp.MustCompile(`(?m)^ +`+name+`: +([^#\n]+?)( +#.*)?$`).FindAllStringSubmatch(resources(t)[resource], -1)
	if len(matches) != 1 {
		t.Fatalf("%s has %d times %s, want it once", resource, len(matches), name)
	}
	return matches[0][1]
}

// TestNoMessageIsLostOrSeenTwiceByTheQueues: AWS asks for a visibility timeout of six times
// the function's (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
// SQS keeps a message for 14 days at most. The embedded stack, on which the suite runs, has
// the same values.
func TestNoMessageIsLostOrSeenTwiceByTheQueues(t *testing.T) {
	t.Parallel()
	seconds := func(resource, name string) time.Duration {
		t.Helper()
		n, err := strconv.Atoi(property(t, resource, name))
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(n) * time.Second
	}
	if visible, timeout := seconds("RequestQueue", "VisibilityTimeout"), seconds("RetriggerFunction", "Timeout"); visible != 6*timeout || visible != stack.VisibilityTimeout {
		t.Errorf("the request queue's visibility timeout is %s, the function's timeout %s, the embedded stack's %s", visible, timeout, stack.VisibilityTimeout)
	}
	if n := property(t, "RequestQueue", "maxReceiveCount"); n != strconv.Itoa(stack.MaxReceives) {
		t.Errorf("SQS moves a message after %s receives, in the embedded stack after %d", n, stack.MaxReceives)
	}
	for _, queue := range []string{"RequestQueue", "DeadLetterQueue"} {
		if keeps := seconds(queue, "MessageRetentionPeriod"); keeps != 14*24*time.Hour {
			t.Errorf("%s keeps messages for %s", queue, keeps)
		}
	}
	if got := property(t, "RequestQueue", "deadLetterTargetArn"); got != "!GetAtt DeadLetterQueue.Arn" {
		t.Errorf("RequestQueue: deadLetterTargetArn is %s", got)
	}
}

// TestOnlyTheRequestQueueMovesMessagesToTheDeadLetterQueue: any other queue of the account
// could fill it otherwise. The rule alone may send to the two queues from outside, and no
// one without TLS.
func TestOnlyTheRequestQueueMovesMessagesToTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	if got := property(t, "DeadLetterQueue", "redrivePermission"); got != "byQueue" {
		t.Errorf("redrivePermission is %s", got)
	}
	for _, queue := range []string{"RequestQueue", "DeadLetterQueue"} {
		policy := resources(t)[queue+"Policy"]
		allow, deny := strings.Count(policy, "Effect: Allow"), strings.Count(policy, "Effect: Deny")
		if allow != 1 || deny != 1 || !strings.Contains(policy, `aws:SecureTransport: "false"`) || !strings.Contains(policy, "Principal: {Service: events.amazonaws.com}") ||
			!strings.Contains(policy, "ArnEquals: {aws:SourceArn: !GetAtt EventRule.Arn}") || strings.Count(policy, "Resource: !GetAtt "+queue+".Arn") != 2 {
			t.Errorf("the policy of %s is\n%s", queue, policy)
		}
	}
}

// TestTheQueueStartsTheFunctionAsItExpects: it answers for each message of a batch, and the
// limits on calls are divided by the very figure that bounds its environments.
func TestTheQueueStartsTheFunctionAsItExpects(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Queue": "!GetAtt RequestQueue.Arn", "BatchSize": "10", "FunctionResponseTypes": "[ReportBatchItemFailures]",
		"MaximumConcurrency": "!Ref QueueConcurrency", config.QueueConcurrency: "!Ref QueueConcurrency", "RecursiveLoop": "Allow",
	} {
		if got := property(t, "RetriggerFunction", name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestTheTemplateSetsWhatTheFunctionReads: and nothing else, and docs/configuration.md has a
// row for each variable. FAULT_INTERVAL is for tests with a clock of their own.
func TestTheTemplateSetsWhatTheFunctionReads(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(document), "\n## Variables\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var told []string
	for row := range strings.Lines(table) {
		cells, isRow := strings.CutPrefix(row, "| `")
		if !isRow {
			continue
		}
		cell, _, _ := strings.Cut("`"+cells, "|")
		for _, match := range regexp.MustCompile("`([A-Z_]+)`").FindAllStringSubmatch(cell, -1) {
			told = append(told, match[1])
		}
	}
	_, variables, _ := strings.Cut(resources(t)["RetriggerFunction"], "        Variables:\n")
	set := []string{config.FaultInterval}
	for line := range strings.Lines(variables) {
		match := regexp.MustCompile(`^          ([A-Z_]+): \S`).FindStringSubmatch(line)
		if match == nil {
			break
		}
		set = append(set, match[1])
	}
	read := slices.Sorted(slices.Values(config.Names()))
	for where, names := range map[string][]string{"the template sets": set, "docs/configuration.md has": told} {
		if diff := cmp.Diff(read, slices.Sorted(slices.Values(names))); diff != "" {
			t.Errorf("the function reads, and %s (-read +%s):\n%s", where, where, diff)
		}
	}
}
