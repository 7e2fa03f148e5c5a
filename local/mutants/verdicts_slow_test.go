//go:build slow

package main

import "testing"

func TestACrashKillsAndAReasonMustBeTrue(t *testing.T) {
	t.Parallel()
	hold(t, map[string]judgment{
		"crash":                {mutant: small("return a + b", "panic(a)", "sum", "", ""), says: "killed by TestSum/small"},
		"survivor with reason": {mutant: small(`= "sum"`, `= "mus"`, "sum", "", "nobody reads the name"), says: "survived, as it may: nobody reads the name"},
		"reason that is wrong": {mutant: small("a + b", "a - b", "sum", "", "nobody adds"), says: "although the table says", fails: "not as the table says: X1"},
		"no such test":         {mutant: small("a + b", "a - b", "sum", "TestOther", ""), fails: `no test of sum matches "TestOther"`},
	})
}
