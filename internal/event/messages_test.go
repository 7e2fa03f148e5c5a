package event_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// TestErrorMessagesNameTheMistake: The messages stay short and are the same each time.
func TestErrorMessagesNameTheMistake(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 100_000)
	for payload, want := range map[string]string{
		`{"runid":"a"}`: `did you mean "runId"?`,
		`{"run_id":"a","request":[],"sweeps":{}}`:   `did you mean "requests"?`,
		`{"runId":"a","sand-box":"x"}`:              `did you mean "sandbox"?`,
		`{"runId":"a","color":"x"}`:                 `unknown field "color" (known: runId,`,
		`{"runId":"a","` + long + `":1}`:            `unknown field "kkk`,
		`{"runId":"` + long + `"}`:                  `100000 bytes`,
		`{"runId":"` + long[:200] + ` "}`:           `white space`,
		`{"runId":{"` + long + `":1}}`:              `field "runId" is`,
		`{"runId":"a","` + long + `":1,"runId":2}`:  `stands twice`,
		`{"` + long + `":1,"b":2}`:                  `its fields are "b", "kkk`,
		`{"b":1,"a":1,"c":1}`:                       `its fields are "a", "b", "c"`,
		`{}`:                                        `send {"sweep":{}}`,
		adobeEvent(`{}`):                            `its fields are none`,
		long:                                        `begins with "kkk`,
		quote(long):                                 `begins with "kkk`,
		strings.Repeat("\x00", 256<<10):             `begins with`,
		`{"sweep":{"since":"` + long + `"}}`:        `field "since" is "kkk`,
		`{"sweep":"` + long + `"}`:                  `field "sweep" is "` + long[:39] + `…, want`,
		failed(strings.Repeat("x", 100_000), ""):    `100000 bytes`,
		failed(runA, `,"flowId":"`+long+`"`):        `flowId`,
		failed(long, `,"imsOrgId":"`+long+`"`):      `run id`,
		failed(long+" ", `,"imsOrgId":"`+long+`"`):  `run id`,
		failed("a b", ""):                           `"a b"`,
		`{"Records":[{"body":"` + long + `"}]}`:     `begins with "kkk`,
		`{"runId":"a","runId":"` + long + `"}`:      `field "runId" stands twice`,
		`{"runId":"a","origin":{"` + long + `":1}}`: `in "origin": unknown field "kkk`,
		`{"runId":"a","origin":{"attempt":1}}`:      `did you mean "attempts"?`,
		`{"runId":"a","origin":{"attempts":"1"}}`:   `field "origin"`,
		`{"requests":null}`:                         `field "requests" is null, want a list of requests`,
		`{"runId":12345}`:                           `field "runId" is 12345, want a string`,
		`{"runId":"a","dryRun":"true"}`:             `field "dryRun" is "true", want true or false`,
		"{\"runId\":\"a\",\"reason\":[ \"x\",\n1]}": `field "reason" is ["x",1], want a string`,
		"{\"runId\":[\"\xff\u0085\u202e\"]}":        "field \"runId\" is [\"\uFFFD\uFFFD\uFFFD\"], want a string",
		`{"requests":[5]}`:                          `the request is 5, want a JSON object`,
		failed(runA, `,"sandboxName":7`):            `is 7, want a string`,
		`5`:                                         `the payload is 5, want a JSON object`,
	} {
		var first *event.Error
		times := 20 // an order of map keys would show
		if len(payload) > 10_000 {
			times = 2
		}
		for i := range times {
			d, err := event.Decode([]byte(payload))
			var got *event.Error
			switch {
			case err != nil:
				got = fault(t, err)
			case len(d.Items) == 1 && d.Items[0].Err != nil:
				got = d.Items[0].Err
			default:
				t.Fatalf("%.60q is accepted", payload)
			}
			if i == 0 {
				first = got
			}
			if *got != *first {
				t.Fatalf("%.60q: first %+v, then %+v", payload, first, got)
			}
		}
		if !strings.Contains(first.Message, want) {
			t.Errorf("%.60q: message %.300q, want %q in it", payload, first.Message, want)
		}
		if len(first.Message) > 700 || len(first.RunID)+len(first.FlowID)+len(first.OrgID) > 3*event.MaxID {
			t.Errorf("%.60q: the error has %d bytes", payload, len(first.Message))
		}
	}
}

// TestUnreadablePartReadsToTheSameErrorAgain: Decode keeps an unreadable part of a
// payload, and that part alone gives the same error.
func TestUnreadablePartReadsToTheSameErrorAgain(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		`{"requests":[` + request + `,{},5,null,[],"x",` + quote(request) + `,{"sweep":{}},{"runId":"","x":1},` + failed(runA, "") + `]}`,
		`[` + request + `,1,null,"x",{"a":1},[],{"runid":"a"},{"sweep":{"x":1}}]`,
		sqs(request, "x", "", `{"runId":1}`, "\x00\x7f", failed("", "")),
		pipeline(failed("", ""), failed(runA, `,"imsOrgId":"o"`), failed("a/b", "")),
		eventBridge(`["x",1,` + failed("", "") + `,` + failed(runA, "") + `]`),
		`[` + request + `,{"pause":{}},{"resume":{}}]`,
		`{"specversion":"1.0","imsorgid":"` + org + `","data":[` + request + `,{"runId":5},{"pause":{}}]}`,
	} {
		d, err := event.Decode([]byte(payload))
		if err != nil {
			t.Fatalf("%.60q: %v", payload, err)
		}
		faults := 0
		for i, item := range d.Items {
			if item.Err == nil {
				continue
			}
			faults++
			again, err := event.Decode(item.Raw)
			var got *event.Error
			switch {
			case err != nil:
				got = fault(t, err)
			case len(again.Items) == 1:
				got = again.Items[0].Err
			}
			if diff := cmp.Diff(item.Err, got, cmpopts.IgnoreFields(event.Error{}, "ByHand")); diff != "" {
				t.Errorf("%.60q: item %d, again from %s: -first +again\n%s", payload, i, item.Raw, diff)
			}
		}
		if faults == 0 {
			t.Errorf("%.60q: no faults", payload)
		}
	}
}
