package aepcodes

import (
	"strconv"
	"strings"
	"testing"
)

// TestNoTwoEntriesFitEquallyWell holds that the order of the catalog decides nothing: a
// code of one entry, with its example, fits no other entry as well.
func TestNoTwoEntriesFitEquallyWell(t *testing.T) {
	t.Parallel()
	for i, e := range All() {
		text := strings.ReplaceAll(e.Code, "*", "777") // 403777, INGEST-777, 777
		if e.Status != 0 && e.Family == Run {
			text += "-" + strconv.Itoa(e.Status)
		}
		asked := parseCode(text)
		own := e.fit(e.Operation, asked, e.Status, e.Example)
		if own < 0 {
			t.Errorf("%+v does not fit %q", e, text)
		}
		for j, other := range All() {
			if fit := other.fit(e.Operation, asked, e.Status, e.Example); i != j && fit >= own {
				t.Errorf("%q fits %+v (%d) as well as %+v (%d)", text, other, fit, e, own)
			}
		}
	}
}
