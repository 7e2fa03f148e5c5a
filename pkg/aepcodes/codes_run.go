package aepcodes

// Texts by which a run's error is recognized under any code.
const (
	duplicateText = `\balready (been )?ingested\b.*\bduplicate|\bduplicate\b.*\balready (been )?ingested\b`

	// A guardrail that limits the data itself: the number of files, the size of a
	// batch, file or record, the number of fields.
	guardrailText = `\bguardrails?\b.{0,60}\b(hit|exceed\w*|reached|violat\w*|breach\w*|surpass\w*)\b` +
		`|\b(hits?|exceed\w*|reached|violat\w*|breach\w*|over|surpass\w*)\b.{0,60}\bguardrails?\b` +
		`|\b(more than|over|above|exceed\w*)( the)?( maximum| limit| threshold)?( limit| number)?( of)? \d[\d,.' ]*k? files\b` +
		`|\b\d[\d,.']*k? files\b[^.;:]{0,20}\b(over|above|exceed\w*|more than)\b.{0,20}(limit|maximum|threshold|allowed|\d)` +
		`|\b\d\d[\d,.']{3,} files\b.{0,40}\b(limit|maximum|threshold)\b` +
		`|\bexceed\w*\b.{0,40}\b(limit|maximum|threshold|number)\b.{0,20}\bfiles\b` +
		`|\btoo many files\b|\b(file count|number of files|files per batch)\b.{0,60}\b(exceed\w*|reached|hit|over|above|(greater|larger|more) than)\b` +
		`|\b(batch|file|record|row|payload|event|data)('s)? ?size\b.{0,60}\b(exceed\w*|over|above|(greater|larger|bigger|more) than|too (large|big))\b` +
		`|\bexceed\w*\b.{0,40}\b(batch|file|record|row|payload|event|data) size\b` +
		`|\b(batch|file|record|row|payload)\b.{0,20}\b(is|was) too (large|big)\b` +
		`|\b((more|greater|larger|bigger) than|over|exceed\w*)( the| a)?( (maximum|limit|size|of|batch|file|allowed|recommended|threshold)){0,4} ` + amount + `\b` +
		`|\b(maximum|limit|size|threshold)\b.{0,20}\b` + amount + `\b.{0,20}\b(exceeded|reached|violated|hit)\b` +
		`|\b` + amount + `.{0,10}\b(over|above|exceed\w*) the \d[\d,.]*( ?\w+)? (threshold|limit)\b` +
		`|\b(too many|more than|exceed\w*|number of|maximum)\b.{0,40}\b(fields|properties|columns)\b.{0,30}\b(per|in a|in the|of a) (row|record|schema)\b`
	amount = `(\d[\d,.]* ?(tb|tib|gb|gib|terabytes?|gigabytes?)|\d[\d,.]{8,} ?bytes)`

	// A limit on how much at a time, or on a machine within Adobe, passes by itself.
	passingLimit = `\bper[ -](second|sec|minute|min|hour|day)\b` +
		`|\b(rate|concurren\w*|simultaneous\w*|throughput|bandwidth|requests|connections|(time|connection|retry) ?limit|timed?[ -]?out|timeout|deadline|attempts|memory|heap|disk|open files?|files? open)\b`

	mapperDataText = `\b(data|records?|rows?|columns?|fields?|attributes?|values?|dates?|schema|null)\b`
)

// runCodes are the errors that stand in a failed run.
var runCodes = []Entry{
	{
		Family: Run, Code: "140", Operation: RunError, Kind: Done, Reason: DuplicateBatch,
		Meaning: "The batch is ingested already; Adobe makes duplicate batches to be safe, and fails all but one.",
	},
	{
		Family: Run, Code: "*", Operation: RunError, Kind: Done, Reason: DuplicateBatch,
		Text: duplicateText, Example: "The batch has already been ingested. The batch [01H] is detected as a duplicate.",
		Meaning: "The batch is ingested already.",
	},
	{
		Family: Run, Code: "*", Operation: RunError, Kind: Data, Reason: DataError,
		Text: guardrailText, Unless: passingLimit, Example: "Batch ingestion guardrails hit: 25143 files (over the 25000 threshold); 1150000000000 bytes (over the 1099511627776 threshold)",
		Meaning:  "A guardrail is exceeded: more than 25,000 files or 1 TB in a batch, a file, record or row that is too large, too many fields.",
		NextStep: stepSmaller,
	},
	{
		Family: Run, Code: "*", Operation: RunError, Kind: Data, Reason: DataError,
		Text: `\bINGEST-\d{3,5}-400\b`, Unless: duplicateText, Example: "Processing failed. Ingestion error: INGEST-1212-400, some rows are not valid",
		Meaning: "A code of ingestion with the status 400 within the message.", NextStep: stepData,
	},
	{
		Family: Run, Code: "INGEST-1211", Operation: RunError, Kind: Data, Reason: DataError,
		Meaning:  "The data can't be parsed, converted or validated, and error diagnostics are off.",
		NextStep: "Switch error diagnostics on in the dataflow, correct the data at the source, and let the dataflow ingest it again.",
	},
	{
		Family: Run, Code: "INGEST-1212", Operation: RunError, Kind: Data, Reason: DataError,
		Meaning: "Some rows of the data have errors; the other rows may be in.", NextStep: stepData,
	},
	{
		Family: Run, Code: "INGEST-1401", Operation: RunError, Kind: Data, Reason: DataError,
		Meaning: "A row is corrupt and can't be read.", NextStep: stepData,
	},
	{
		Family: Run, Code: "INGEST-1555", Operation: RunError, Kind: Data, Reason: DataError,
		Meaning: "A required field is missing or null.", NextStep: stepData,
	},
	{
		Family: Run, Code: "INGEST-*", Operation: RunError, Kind: Data, Reason: DataError,
		Meaning: "Another error of ingestion, but for those with a status of 408, 429 or 5xx.", NextStep: stepData,
	},
	{
		Family: Run, Code: "MAPPER-*", Status: 400, Operation: RunError, Kind: Data, Reason: DataError,
		Text: mapperDataText, Unless: passingLimit, Example: "Mapping failed for the field birthDate: the value is no date",
		Meaning: "The mapping does not suit the data; the message speaks of a field, a value or a record.", NextStep: "Correct the dataflow's mapping or the data, then retry the run.",
	},
	{
		Family: Run, Code: "MAPPER-3700", Operation: RunError, Kind: Passing,
		Meaning: "The mapping failed, for a cause that the message does not name.", NextStep: "If it goes on, look at the run's error diagnostics in Adobe's UI.",
	},
	{
		Family: Run, Code: "CONNECTOR-1001", Operation: RunError, Kind: Passing,
		Meaning: "The data could not be copied from the source: network, login, a busy source.", NextStep: "If it goes on, test the source's connection in Adobe's UI.",
	},
	{
		Family: Run, Code: "CONNECTOR-2001", Operation: RunError, Kind: Passing,
		Meaning: "The copied data could not be processed. It may be the data; the code alone does not tell.", NextStep: "If it goes on, look at the run's error diagnostics in Adobe's UI.",
	},
	{
		Family: Run, Code: "CONNECTOR-3001", Operation: RunError, Kind: Passing,
		Meaning: "The batch could not be made by the bulk ingestion API.", NextStep: stepSupport,
	},
	{
		Family: Run, Code: "2200", Operation: RunError, Kind: Passing,
		Meaning: "The Catalog service could not check the schema.", NextStep: stepSupport,
	},
	{
		Family: Run, Code: "2250", Operation: RunError, Kind: Passing,
		Meaning: "The Data Prep service could not check the mapping.", NextStep: stepSupport,
	},
}
