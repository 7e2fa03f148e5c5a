package config_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestTheFunctionMayDoWithItsTableWhatItDoes: A transaction needs the permissions of its
// writes, and of a check that an item is unchanged: dynamodb:ConditionCheckItem
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html).
// A scheduled sweep asks when the table was made.
func TestTheFunctionMayDoWithItsTableWhatItDoes(t *testing.T) {
	t.Parallel()
	_, statement, found := strings.Cut(resources(t)["RetriggerRole"], "- Sid: Ledger")
	statement, _, ends := strings.Cut(statement, "- Sid:")
	if !found || !ends || !strings.Contains(statement, "Resource: !If [HasOwnLedger, !GetAtt Ledger.Arn, ") {
		t.Fatal("the role has no statement for the ledger: does this test still read it?")
	}
	for _, action := range []string{"BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem", "DescribeTable"} {
		if !regexp.MustCompile(`(?m)^ +- dynamodb:` + action + `( #.*)?$`).MatchString(statement) {
			t.Errorf("the function may not call dynamodb:%s", action)
		}
	}
}
