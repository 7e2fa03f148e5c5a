package aepcodes_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/golden"
	"github.com/aep-retrigger/aep-retrigger/pkg/aepcodes"
)

const docPath = "../../docs/errors.md"

const docIntroduction = `# Adobe's error codes

<!-- Made from pkg/aepcodes. Change the catalog there, then run: go test ./pkg/aepcodes -update -->

This is what the function knows about the codes by which Adobe says why something failed, and what it does about each. The catalog decides about every refusal of Flow Service and IMS, and about the errors in a failed run. A rule in ` + "`RETRY_POLICY`" + ` comes before what stands here about the errors of a run.

How a code is matched:

- Number, HTTP status and operation count together. Adobe publishes two catalogs of Flow Service, and their numbers collide: 1401-400 is a wrong query in one and an unsupported action in the other. For a re-trigger, the first table comes first.
- The prefix does not count, since Adobe does not publish that of the sources' codes: ` + "`FLOW-1387-400`, `1387-400` and `1387`" + ` with HTTP 400 are the same code.
- A code that is not here goes by its HTTP status: 401 is a fault of the credential, 403 a missing permission, 404 an unknown run, 429 too many requests, 5xx passes, and any other 4xx is a dead letter (` + "`rejected`" + `). An unknown error of a run is retried.
- After 5xx, a time-out or a lost connection Adobe may have made the new run. The function looks for that run before it sends the re-trigger again.

Sources: Adobe's catalogs [Flow Service error messages](https://experienceleague.adobe.com/en/docs/experience-platform/sources/errors/flow-service-errors) and [Sources error messages](https://experienceleague.adobe.com/en/docs/experience-platform/sources/errors/sources-errors) (the rows that can answer a call of this function), the [Experience Platform troubleshooting guide](https://experienceleague.adobe.com/en/docs/experience-platform/landing/troubleshooting) for the gateway, [error diagnostics](https://experienceleague.adobe.com/en/docs/experience-platform/ingestion/quality/error-diagnostics) and [guardrails for data ingestion](https://experienceleague.adobe.com/en/docs/experience-platform/ingestion/guardrails) for the errors of a run, and [batch ingestion failure and duplicate ingestion](https://experienceleague.adobe.com/en/docs/experience-cloud-kcs/kbarticles/ka-26349) for code 140.
`

func TestErrorsDocumentIsMadeFromTheCatalog(t *testing.T) {
	t.Parallel()
	golden.Check(t, docPath, document())
}

// document writes docs/errors.md.
func document() string {
	var doc strings.Builder
	doc.WriteString(docIntroduction)
	for _, table := range []struct {
		op   aepcodes.Operation
		text string
	}{
		{aepcodes.Retrigger, "## Answers to a re-trigger\n"},
		{aepcodes.AnyCall, "## Answers to any call\n"},
		{aepcodes.Token, "## Answers to the request of a token\nAdobe publishes no list of these. A code that is not here is a fault of the credential with HTTP 200, 400, 401 and 403.\n"},
		{aepcodes.RunError, "## Errors of a failed run\nWhat has a quoted message is recognized by such words, under any code that fits.\n"},
	} {
		fmt.Fprintf(&doc, "\n%s\n| code | HTTP status | meaning | kind | what the function does | next step |\n| --- | --- | --- | --- | --- | --- |\n", table.text)
		for _, e := range aepcodes.All() {
			if e.Operation == table.op {
				fmt.Fprintf(&doc, "| %s | %s | %s | %s | %s | %s |\n", codeCell(e), statusCell(e), e.Meaning, e.Kind, action(e), e.NextStep)
			}
		}
	}
	return doc.String()
}

func codeCell(e aepcodes.Entry) string {
	cell := "none"
	switch e.Code {
	case "":
	case "*":
		cell = "any"
	default:
		cell = "`" + e.Code + "`"
	}
	if e.Family != aepcodes.Run && e.Family != aepcodes.IMS {
		cell += " " + string(e.Family)
	}
	if e.Example != "" {
		cell += ", such as “" + e.Example + "”"
	}
	return cell
}

func statusCell(e aepcodes.Entry) string {
	switch {
	case e.Status != 0:
		return strconv.Itoa(e.Status)
	case e.Kind == aepcodes.Passing, e.Kind == aepcodes.Done, e.Operation == aepcodes.RunError && e.Text != "":
		return "any"
	default:
		return "any but 408, 429, 5xx"
	}
}

// action says what the function does about a code.
func action(e aepcodes.Entry) string {
	switch {
	case e.OtherOp:
		return fmt.Sprintf("sends the other spelling of `op` once, if `RETRIGGER_OP` is `auto`; then a dead letter (`%s`)", e.Reason)
	case e.Kind == aepcodes.NotYet:
		return fmt.Sprintf("waits and tries again, for a bounded time (`%s`)", e.Reason)
	case e.Kind == aepcodes.Credential:
		return fmt.Sprintf("tries a fresh token and a fresh secret once, then gives the messages back and raises one alarm (`%s`)", e.Reason)
	case e.Kind == aepcodes.Done:
		return fmt.Sprintf("skips the run (`%s`)", e.Reason)
	case e.Kind != aepcodes.Passing:
		return fmt.Sprintf("dead letter at once (`%s`)", e.Reason)
	case e.Operation == aepcodes.RunError:
		return "retries the run"
	case e.Status == 429:
		return "waits as long as Adobe asks, at most an hour"
	case e.NoEffect:
		return "tries again, a re-trigger too: nothing was done"
	case e.Operation == aepcodes.Retrigger:
		return "looks for the new run before anything is sent again"
	case e.Operation == aepcodes.Token:
		return "tries again"
	default:
		return "tries again; after a re-trigger, looks for the new run first"
	}
}
