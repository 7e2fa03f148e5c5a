package aepcodes_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/pkg/aepcodes"
)

func TestFindKnowsEveryFamilyInEverySpelling(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		op      aepcodes.Operation
		code    string
		status  int
		message string
		kind    aepcodes.Kind
		reason  aepcodes.Reason
	}{
		// One code in its spellings.
		{aepcodes.Retrigger, "FLOW-1387-400", 400, "", aepcodes.NotYet, aepcodes.StateNotYet},
		{aepcodes.Retrigger, "1387-400", 400, "", aepcodes.NotYet, aepcodes.StateNotYet},
		{aepcodes.Retrigger, "1387", 400, "", aepcodes.NotYet, aepcodes.StateNotYet},
		{aepcodes.Retrigger, "1387-400", 0, "", aepcodes.NotYet, aepcodes.StateNotYet},
		{aepcodes.Retrigger, "SOURCES-1387-400", 400, "", aepcodes.NotYet, aepcodes.StateNotYet},
		{aepcodes.Retrigger, "any-prefix-1387-400", 400, "", aepcodes.NotYet, aepcodes.StateNotYet},
		{aepcodes.Retrigger, " flow_1387_400 ", 400, "", aepcodes.NotYet, aepcodes.StateNotYet},
		{aepcodes.Retrigger, "https://ns.adobe.com/aep/errors/FLOW-1387-400", 400, "", aepcodes.NotYet, aepcodes.StateNotYet},
		{aepcodes.Retrigger, "FLOW-1388-400", 400, "", aepcodes.Permanent, aepcodes.FlowDisabled},

		// Numbers that stand in both catalogs.
		{aepcodes.Retrigger, "1401-400", 400, "", aepcodes.Permanent, aepcodes.NotRetryable},
		{aepcodes.AnyCall, "1401-400", 400, "", aepcodes.Permanent, aepcodes.Rejected},
		{aepcodes.Retrigger, "1402-400", 400, "", aepcodes.Permanent, aepcodes.NotRetryable},
		{aepcodes.Retrigger, "1402-500", 500, "", aepcodes.Passing, ""},
		{aepcodes.Retrigger, "1101-404", 404, "", aepcodes.NotFound, aepcodes.RunNotFound},
		{aepcodes.Retrigger, "1101-500", 500, "", aepcodes.Passing, ""},
		{aepcodes.AnyCall, "1102-404", 404, "", aepcodes.NotFound, aepcodes.RunNotFound},
		{aepcodes.AnyCall, "1102-500", 500, "", aepcodes.Passing, ""},
		{aepcodes.AnyCall, "1100-400", 400, "anything", aepcodes.Permission, aepcodes.Forbidden},
		{aepcodes.Retrigger, "1100-400", 400, "Error from flow provider: Not entitled to this operation.", aepcodes.Permission, aepcodes.Forbidden},
		{aepcodes.Retrigger, "1100-400", 400, "The request could not be processed. No such connector.", aepcodes.Permanent, aepcodes.Rejected},
		{aepcodes.Retrigger, "1380-400", 400, "Failed to create flow run. Error message: bad linked service", aepcodes.Permanent, aepcodes.Rejected},
		{aepcodes.Retrigger, "1380-400", 400, "Failed to create flow run. Error message: request timed out", aepcodes.NotYet, aepcodes.StateNotYet},

		// The status within the code is not always the answer's.
		{aepcodes.AnyCall, "FLOW-1439-404", 404, "", aepcodes.NotFound, aepcodes.RunNotFound},
		{aepcodes.AnyCall, "FLOW-1439-400", 404, "", aepcodes.NotFound, aepcodes.RunNotFound},
		{aepcodes.Retrigger, "FLOW-1434-400", 409, "", aepcodes.Permanent, aepcodes.NotRetryable},

		// A token, permissions and sandboxes, on any call.
		{aepcodes.Retrigger, "FLOW-2115-400", 400, "", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.AnyCall, "1001-401", 401, "", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.AnyCall, "FLOW-2000-401", 401, "", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.Retrigger, "FLOW-2120-403", 403, "", aepcodes.Permission, aepcodes.Forbidden},
		{aepcodes.AnyCall, "FLOW-2101-404", 404, "", aepcodes.NotFound, aepcodes.SandboxNotFound},
		{aepcodes.AnyCall, "FLOW-2106-404", 404, "", aepcodes.NotFound, aepcodes.SandboxNotFound},

		// The gateway, by digits alone.
		{aepcodes.AnyCall, "403003", 403, "Api Key is invalid", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.Retrigger, "403023", 403, "", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.AnyCall, "403201", 403, "Client ID not allowed to call this service", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.AnyCall, "403099", 403, "PROFILE is suspended", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.AnyCall, "", 403, "Access token is not valid", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.AnyCall, "", 403, "Invalid API-Key", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.AnyCall, "401013", 401, "", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.AnyCall, "429050", 429, "", aepcodes.Passing, ""},

		// IMS.
		{aepcodes.Token, "invalid_client", 400, "invalid client_secret parameter", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.Token, "invalid-client", 401, "", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.Token, "INVALID_SCOPE", 400, "", aepcodes.Credential, aepcodes.CredentialsRefused},
		{aepcodes.Token, "temporarily_unavailable", 400, "", aepcodes.Passing, ""},
		{aepcodes.Token, "internal_error", 500, "Please try again later", aepcodes.Passing, ""},

		// Errors of a run.
		{aepcodes.RunError, "CONNECTOR-1001-500", 0, "copy failed", aepcodes.Passing, ""},
		{aepcodes.RunError, "CONNECTOR-2001-500", 0, "Error occurred at promotion activity.", aepcodes.Passing, ""},
		{aepcodes.RunError, "CONNECTOR-2001-500", 0, "Batch ingestion guardrails hit: 25143 files (over the 25000 threshold)", aepcodes.Data, aepcodes.DataError},
		{aepcodes.RunError, "2200", 0, "", aepcodes.Passing, ""},
		{aepcodes.RunError, "2250-500", 0, "", aepcodes.Passing, ""},
		{aepcodes.RunError, "INGEST-1212-400", 0, "", aepcodes.Data, aepcodes.DataError},
		{aepcodes.RunError, "ingest-9876-400", 0, "", aepcodes.Data, aepcodes.DataError},
		{aepcodes.RunError, "INGEST-77", 0, "", aepcodes.Data, aepcodes.DataError},
		{aepcodes.RunError, "INGEST", 0, "", aepcodes.Data, aepcodes.DataError},
		{aepcodes.RunError, "MAPPER-3700-400", 0, "Mapper Transform Error", aepcodes.Passing, ""},
		{aepcodes.RunError, "MAPPER-3700-400", 0, "The value of the field age is not a number", aepcodes.Data, aepcodes.DataError},
		{aepcodes.RunError, "140", 0, "An error occurred while processing the batch.", aepcodes.Done, aepcodes.DuplicateBatch},
		{aepcodes.RunError, "140-400", 0, "", aepcodes.Done, aepcodes.DuplicateBatch},
		{aepcodes.RunError, "CONNECTOR-2001-500", 0, "The batch has already been ingested. The batch [x] is detected as a duplicate.", aepcodes.Done, aepcodes.DuplicateBatch},
	} {
		got, known := aepcodes.Find(test.op, test.code, test.status, test.message)
		if !known || got.Kind != test.kind || got.Reason != test.reason {
			t.Errorf("%s %q, HTTP %d, %q: got %q, %q, %t; want %q, %q", test.op, test.code, test.status, test.message, got.Kind, got.Reason, known, test.kind, test.reason)
		}
	}
}

func TestFindLeavesUnknownCodesToTheStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		op      aepcodes.Operation
		code    string
		status  int
		message string
	}{
		{aepcodes.Retrigger, "FLOW-9999-400", 400, "Unsupported operation"},
		{aepcodes.Retrigger, "", 400, ""},
		{aepcodes.Retrigger, "invalid_client", 400, ""},
		{aepcodes.AnyCall, "1387-400", 400, ""},        // answers a re-trigger only
		{aepcodes.AnyCall, "FLOW-1434-400", 400, ""},   // likewise
		{aepcodes.AnyCall, "INGEST-1212-400", 400, ""}, // an error of a run
		{aepcodes.Retrigger, "FLOW-1387-400", 500, ""}, // 5xx: it may have taken effect
		{aepcodes.Retrigger, "FLOW-1387-400", 429, ""},
		{aepcodes.Retrigger, "FLOW-1388-400", 503, ""},
		{aepcodes.Retrigger, "FLOW-2102-500", 400, ""},
		{aepcodes.AnyCall, "11387-400", 400, ""},
		{aepcodes.AnyCall, "403999", 403, "Access denied"},
		{aepcodes.AnyCall, "FLOW-2199-403", 403, "The user token lacks the permission"},
		{aepcodes.AnyCall, "", 403, "<html>403 Forbidden, token 17</html>"},
		{aepcodes.Token, "invalid_client", 503, ""},
		{aepcodes.Token, "invalid_scope", 429, ""},
		{aepcodes.Token, "access_token_missing", 400, ""},
		{aepcodes.RunError, "", 0, ""},
		{aepcodes.RunError, "1401", 0, ""},
		{aepcodes.RunError, "1140", 0, ""},
		{aepcodes.RunError, "CONNECTOR-140-500", 0, ""},
		{aepcodes.RunError, "CONNECTOR-1212-400", 0, ""},
		{aepcodes.RunError, "INGESTION-1212-400", 0, ""},
		{aepcodes.RunError, "INGEST-1005-500", 0, ""},
		{aepcodes.RunError, "INGEST-1212-429", 0, ""},
		{aepcodes.RunError, "MAPPER-9000-500", 0, "the field could not be mapped"},
	} {
		if got, known := aepcodes.Find(test.op, test.code, test.status, test.message); known {
			t.Errorf("%s %q, HTTP %d, %q: got %+v", test.op, test.code, test.status, test.message, got)
		}
	}
}

func TestGuardrailsOfTheDataAreDataErrorsAndOtherLimitsPass(t *testing.T) {
	t.Parallel()
	for message, data := range map[string]bool{
		"Batch ingestion guardrails hit: 25143 files (over the 25000 threshold); 1150000000000 bytes (over the 1099511627776 threshold)": true,
		"Batch ingestion guardrails hit: 1150000000000 bytes (over the 1099511627776 threshold)":                                         true,
		"1150000000000 bytes (over the 1099511627776 threshold)":                                                                         true,
		"The batch contains more than 25,000 files":                                                                                      true,
		"Batch has more than 25000 files. Reduce the number of files and try again.":                                                     true,
		"The batch has 30,001 files, exceeding the maximum of 25,000.":                                                                   true,
		"exceeds the maximum limit of 25,000 files":                                                                                      true,
		"Number of files in the batch exceeds the allowed limit":                                                                         true,
		"too many files in the batch":                                                                                                    true,
		"Batches larger than 1 TB will fail at ingestion time":                                                                           true,
		"The size of the batch is more than 1 TB":                                                                                        true,
		"the batch exceeds the maximum size of 1TB":                                                                                      true,
		"Batch size 1.2 TB is over the limit":                                                                                            true,
		"ingestion guardrail exceeded":                                                                                                   true,
		"The request exceeded a data guardrail":                                                                                          true,
		"The encrypted file is larger than 1 GB":                                                                                         true,
		"A record is too large: record size 140 KB exceeds 100 KB":                                                                       true,
		"The number of fields in a row is more than 10000: more than 10000 fields in the record":                                         true,

		"":                                     false,
		"Copying 25,000 files failed":          false,
		"Timeout exceeded while copying files": false,
		"3 files were read when the time limit was exceeded":    false,
		"number of files processed: 3; the connection was lost": false,
		"too many open files": false,
		"Too many requests":   false,
		"Too many files open": false,
		"Copied 25,000 files in a batch; the connection was reset":                false,
		"number of files to read: 26; the server hit a time limit":                false,
		"Max number of files per batch (25000) reached":                           true,
		"25001 files in a batch. Maximum allowed: 25000":                          true,
		"The guardrail of 2000 batches per minute is exceeded":                    false,
		"guardrail hit: more than 200 GB per hour":                                false,
		"The maximum number of concurrent connections is exceeded":                false,
		"executor memory exceeded 16 GB":                                          false,
		"connection limit reached after 3 files":                                  false,
		"Read failed after 1.2 TB":                                                false,
		"Error in processing (parsing, validation or transformation) the data.":   false,
		"exceeded the number of attempts to read files":                           false,
		"ErrorCode=SftpNetworkIssue: the server closed the connection on 3 files": false,
	} {
		for _, code := range []string{"", "CONNECTOR-2001-500", "X-1"} {
			got, _ := aepcodes.Find(aepcodes.RunError, code, 0, message)
			if (got.Kind == aepcodes.Data) != data {
				t.Errorf("%q, %q: got %q, want data: %t", code, message, got.Kind, data)
			}
		}
	}
}

// TestEveryEntryIsFoundByItsCode draws an entry and a spelling of its code.
func TestEveryEntryIsFoundByItsCode(t *testing.T) {
	t.Parallel()
	all := aepcodes.All()
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom(all).Draw(t, "entry")
		code, open := strings.CutSuffix(e.Code, "*")
		if open {
			rest := "7654321"
			if e.Family == aepcodes.Gateway {
				rest = rest[:6-len(code)]
			}
			code += rest
		}
		status := e.Status
		switch e.Family {
		case aepcodes.FlowService, aepcodes.Sources:
			if code == "" { // an answer that has no number
				code = rapid.SampledFrom([]string{"", "Bad Request", "BadRequest", strconv.Itoa(e.Status)}).Draw(t, "no code")
				break
			}
			code = rapid.SampledFrom([]string{"", "FLOW-", "SOURCES-", "flow_", "https://ns.adobe.com/aep/errors/FLOW-"}).Draw(t, "prefix") + code
			if rapid.Bool().Draw(t, "the code has the status") {
				code += fmt.Sprint("-", e.Status)
				if rapid.Bool().Draw(t, "the answer has no status") {
					status = 0
				}
			}
		case aepcodes.IMS:
			status = rapid.SampledFrom([]int{0, 400, 401, 403}).Draw(t, "status")
		case aepcodes.Run:
			status = 0
			if rapid.Bool().Draw(t, "the code has the status") || e.Status != 0 {
				code += "-400"
			}
		case aepcodes.Gateway:
		}
		if got, known := aepcodes.Find(e.Operation, code, status, e.Example); !known || got != e {
			t.Fatalf("Find(%q, %q, %d, %q) = %+v, %t; want %+v", e.Operation, code, status, e.Example, got, known, e)
		}
	})
}

func TestEveryEntryIsCompleteAndStandsOnce(t *testing.T) {
	t.Parallel()
	type key struct {
		op         aepcodes.Operation
		code, text string
		status     int
	}
	seen := map[key]bool{}
	for _, e := range aepcodes.All() {
		at := key{e.Operation, e.Code, e.Text, e.Status}
		if seen[at] {
			t.Errorf("%v stands twice", at)
		}
		seen[at] = true
		passing := e.Kind == aepcodes.Passing
		switch {
		case e.Family == "" || e.Operation == "" || e.Kind == "" || e.Meaning == "":
			t.Errorf("%+v is not complete", e)
		case (e.Reason == "") != passing:
			t.Errorf("%+v: a code has a reason unless it is passing", e)
		case e.NextStep == "" && !passing && e.Kind != aepcodes.Done:
			t.Errorf("%+v has no next step", e)
		case len(e.NextStep) > 240 || strings.ContainsAny(e.NextStep+e.Meaning, "\n|"):
			t.Errorf("%+v: too long or not one line of a table", e)
		case (e.Text == "") != (e.Example == ""):
			t.Errorf("%+v: text and example go together", e)
		case e.OtherOp && (e.Operation != aepcodes.Retrigger || e.Status != 400):
			t.Errorf("%+v: only a 400 to a re-trigger may be about the spelling", e)
		case e.NoEffect && (!passing || e.Status < 500):
			t.Errorf("%+v: NoEffect is for passing 5xx", e)
		}
	}
}

func TestAllGivesACopy(t *testing.T) {
	t.Parallel()
	aepcodes.All()[0].Kind = "changed"
	if aepcodes.All()[0].Kind == "changed" {
		t.Error("the catalog was changed from outside")
	}
}

// TestKnownCodeOfTheGatewayHasItsOwnNextStep: its text fits the entry for any 403 about a
// profile or a token, too.
func TestKnownCodeOfTheGatewayHasItsOwnNextStep(t *testing.T) {
	t.Parallel()
	for code, test := range map[string]struct{ message, step string }{
		"403025": {"Profile is not valid", "product profile"},
		"403023": {"Profile is not valid", "product profile"},
		"403010": {"Oauth token is missing", "fresh token"},
		"403003": {"Api Key is invalid", "Add the Experience Platform API"},
		"403999": {"Profile is not valid", "Add the Experience Platform API"},
	} {
		entry, known := aepcodes.Find(aepcodes.AnyCall, code, 403, test.message)
		if !known || entry.Reason != aepcodes.CredentialsRefused || !strings.Contains(entry.NextStep, test.step) {
			t.Errorf("%s: got %+v, want the next step …%s…", code, entry, test.step)
		}
	}
}

// TestDataErrorIsFoundWithinAMessage: The code around the data error alone would be
// retried.
func TestDataErrorIsFoundWithinAMessage(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]aepcodes.Kind{
		"Ingestion failed: INGEST-1212-400, some rows are not valid":        aepcodes.Data,
		`{"errors":[{"code":"INGEST-1555-400"}]}`:                           aepcodes.Data,
		"Maximum size of 1 TB exceeded":                                     aepcodes.Data,
		"The limit of 1099511627776 bytes was reached":                      aepcodes.Data,
		"INGEST-1001-500: busy":                                             aepcodes.Passing,
		"INGEST-1001-429: busy":                                             aepcodes.Passing,
		"INGEST-1212-400: the batch is already ingested, it is a duplicate": aepcodes.Done,
		"The limit of 2 GB of memory was reached":                           aepcodes.Passing,
	} {
		if entry, _ := aepcodes.Find(aepcodes.RunError, "CONNECTOR-2001-500", 0, message); entry.Kind != want {
			t.Errorf("%q is %q, want %q", message, entry.Kind, want)
		}
	}
}
