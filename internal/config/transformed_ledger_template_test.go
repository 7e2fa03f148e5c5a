//go:build template

package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheLedgerOfAStackOutlivesIt: the table is kept whatever becomes of the stack, can't be
// deleted by a slip, and has backups.
func TestTheLedgerOfAStackOutlivesIt(t *testing.T) {
	t.Parallel()
	table := deployed(t).Resources()["Ledger"]
	if table.DeletionPolicy != "Retain" || table.UpdateReplacePolicy != "Retain" || table.Properties["DeletionProtectionEnabled"] != true || table.Properties["SSESpecification"] != nil {
		t.Errorf("the table: %+v", table)
	}
	if backups := object(t, table.Properties["PointInTimeRecoverySpecification"]); backups != `{"PointInTimeRecoveryEnabled":true}` {
		t.Errorf("its backups: %s", backups)
	}
	with := object(t, deployed(t, "KmsKeyArn="+aKey).Resources()["Ledger"].Properties["SSESpecification"])
	if with != `{"KMSMasterKeyId":"`+aKey+`","SSEEnabled":true,"SSEType":"KMS"}` {
		t.Errorf("with a key its encryption is %s", with)
	}
}

// TestAStackThatIsGivenALedgerTakesIt: it makes no table, refers to none of its own, and its
// variables, permissions, outputs and e-mails name the one that it was given.
func TestAStackThatIsGivenALedgerTakesIt(t *testing.T) {
	t.Parallel()
	s := deployed(t, append(everything(), "LedgerTable=old-Ledger-ABC")...)
	all, outputs := s.Resources(), s.Outputs()
	if _, there := all["Ledger"]; there || s.References["Ledger"] {
		t.Error("the stack has a table of its own, or refers to it")
	}
	if got := environment(t, s)["LEDGER_TABLE"]; got != "old-Ledger-ABC" || outputs["LedgerTable"] != got {
		t.Errorf("LEDGER_TABLE is %s, the output %s", got, outputs["LedgerTable"])
	}
	const arn = "arn:aws:dynamodb:us-east-1:123456789012:table/old-Ledger-ABC"
	for name, want := range map[string][]string{"RetriggerRole": {arn + `"`, arn + "/index/listed"}, "ReaderPolicy": {arn + `"`, arn + "/index/*"}, "OperatorPolicy": {arn + `"`, arn + "/index/*"}, "DataflowNoticeRule": {"--table-name old-Ledger-ABC "}} {
		for _, part := range want {
			if text := object(t, all[name].Properties); !strings.Contains(text, part) {
				t.Errorf("%s lacks %s", name, part)
			}
		}
	}
}

// allowed are the actions that a list of statements allows, each with its statement's name.
func allowed(t *testing.T, document any) (all []string) {
	t.Helper()
	policy, _ := document.(map[string]any)
	statements, _ := policy["Statement"].([]any)
	for _, one := range statements {
		statement, _ := one.(map[string]any)
		actions, isList := statement["Action"].([]any)
		if !isList {
			actions = []any{statement["Action"]}
		}
		if statement["Effect"] != "Allow" {
			t.Errorf("a statement of another kind: %v", statement)
		}
		for _, action := range actions {
			all = append(all, fmt.Sprint(statement["Sid"], " ", action))
		}
	}
	return all
}

// TestARoleHasWhatItsStackNeedsAndNoMore: permissions for a key, a VPC and notices are there
// only with their parameters, and the boundary is set.
func TestARoleHasWhatItsStackNeedsAndNoMore(t *testing.T) {
	t.Parallel()
	document := func(parameters ...string) any {
		policies, _ := deployed(t, parameters...).Resources()["RetriggerRole"].Properties["Policies"].([]any)
		if len(policies) != 1 {
			t.Fatalf("%d policies", len(policies))
		}
		policy, _ := policies[0].(map[string]any)
		return policy["PolicyDocument"]
	}
	least := allowed(t, document())
	var more []string
	for _, one := range allowed(t, document(everything()...)) {
		if !slices.Contains(least, one) {
			more = append(more, one)
		}
	}
	want := []string{
		"CredentialsKeys kms:Decrypt", "Notices events:PutEvents", "Notices events:DescribeEventBus", "Keys kms:Decrypt", "Keys kms:GenerateDataKey",
		"Network ec2:CreateNetworkInterface", "Network ec2:DescribeNetworkInterfaces", "Network ec2:DescribeSubnets", "Network ec2:DeleteNetworkInterface", "Network ec2:AssignPrivateIpAddresses", "Network ec2:UnassignPrivateIpAddresses",
	}
	if diff := cmp.Diff(want, more); diff != "" {
		t.Errorf("what the parameters add (-want +got):\n%s", diff)
	}
	if text := object(t, document()); strings.Contains(text, `"*"`) || strings.Contains(text, "xray") {
		t.Errorf("without parameters the role may something on everything: %s", text)
	}
	if got := deployed(t, everything()...).Resources()["RetriggerRole"].Properties["PermissionsBoundary"]; got != "arn:aws:iam::123456789012:policy/boundary" {
		t.Errorf("the boundary is %v", got)
	}
	if got, set := deployed(t).Resources()["RetriggerRole"].Properties["PermissionsBoundary"]; set {
		t.Errorf("by default the boundary is %v", got)
	}
}

// TestAKeyIsUsedThroughItsServicesAlone: in the role and in the two policies for people.
func TestAKeyIsUsedThroughItsServicesAlone(t *testing.T) {
	t.Parallel()
	all := deployed(t, everything()...).Resources()
	for name, want := range map[string]int{"RetriggerRole": 2, "ReaderPolicy": 1, "OperatorPolicy": 2} {
		text := object(t, all[name].Properties)
		if got := strings.Count(text, `"Condition":{"StringEquals":{"kms:ViaService":`); got != want || strings.Count(text, `"`+aKey+`"`) != want {
			t.Errorf("%s uses keys in %d statements through named services, want %d: %s", name, got, want, text)
		}
		if strings.Contains(object(t, deployed(t).Resources()[name].Properties), "kms:") {
			t.Errorf("without a key %s may use one", name)
		}
	}
	if got := all["LogGroup"].Properties["KmsKeyId"]; got != aKey {
		t.Errorf("the log's key is %v", got)
	}
}

// TestAFunctionIsInAVPCOnlyIfItIsTold to be, and writes no traces.
func TestAFunctionIsInAVPCOnlyIfItIsTold(t *testing.T) {
	t.Parallel()
	f := deployed(t, everything()...).Resources()["RetriggerFunction"].Properties
	if got := object(t, f["VpcConfig"]); got != `{"SecurityGroupIds":["sg-0123456789abcdef0"],"SubnetIds":["subnet-0123456789abcdef0","subnet-0123456789abcdef1"]}` {
		t.Errorf("the VPC is %s", got)
	}
	for _, name := range []string{"VpcConfig", "TracingConfig"} {
		if got, set := deployed(t).Resources()["RetriggerFunction"].Properties[name]; set {
			t.Errorf("by default %s is %v", name, got)
		}
	}
}
