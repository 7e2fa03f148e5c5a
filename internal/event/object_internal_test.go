package event

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// values draws JSON as anything may write it, white space included.
func values() *rapid.Generator[string] {
	space := rapid.SampledFrom([]string{"", " ", "\n\t", "\r\n"})
	return rapid.Custom(func(t *rapid.T) string { return space.Draw(t, "before") + value(t, 3) + space.Draw(t, "after") })
}

func value(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", " ", "\n"})
	text := func() string {
		b, err := json.Marshal(rapid.SampledFrom([]string{"", "a", "a\"b", `\\`, "{", "}]", ",:", "é", "\u0000", "tab\t"}).Draw(t, "text"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	kinds := 3
	if depth > 0 {
		kinds = 5
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]string{"0", "-1.5e+3", "12"}).Draw(t, "number")
	case 1:
		return rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "literal")
	case 2:
		return text()
	}
	object := rapid.Bool().Draw(t, "object")
	var inner strings.Builder
	for i := range rapid.IntRange(0, 4).Draw(t, "members") {
		if i > 0 {
			inner.WriteString(space.Draw(t, "space") + "," + space.Draw(t, "space"))
		}
		if object {
			inner.WriteString(text() + space.Draw(t, "space") + ":" + space.Draw(t, "space"))
		}
		inner.WriteString(value(t, depth-1))
	}
	if object {
		return "{" + inner.String() + "}"
	}
	return "[" + inner.String() + "]"
}

// TestObjectIsSplitAsEncodingJSONReadsIt compares with the library, which keeps the
// last of two fields of one name.
func TestObjectIsSplitAsEncodingJSONReadsIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := trimmed([]byte("{" + `"x":` + values().Draw(t, "x") + `, "y" :` + values().Draw(t, "y") + "}"))
		if rapid.Bool().Draw(t, "whole") {
			if raw = trimmed([]byte(values().Draw(t, "value"))); raw[0] != '{' {
				return
			}
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		o, fault := parse(raw)
		if fault != nil {
			t.Fatal(fault)
		}
		got := map[string]json.RawMessage{}
		for _, m := range o.members {
			got[m.name] = m.value
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-encoding/json +parse):\n%s", raw, diff)
		}
	})
}

func TestATextIsReadAsEncodingJSONReadsIt(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{`"`, `\`, `\"`, `\u00e9`, "a", "é", "\xff", "\x00", "\t", "\x7f", " ", "1", "{"})
	rapid.Check(t, func(t *rapid.T) {
		raw := json.RawMessage(strings.Join(rapid.SliceOfN(part, 0, 6).Draw(t, "raw"), ""))
		if rapid.Bool().Draw(t, "quoted") {
			raw = json.RawMessage(`"` + string(raw) + `"`)
		}
		want := ""
		if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &want) != nil {
			want = ""
		}
		if got := text(raw); got != want {
			t.Fatalf("%q is %q, want %q", raw, got, want)
		}
	})
}
