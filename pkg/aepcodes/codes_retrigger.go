package aepcodes

// retriggerCodes are the codes that mean something of their own when they answer a
// re-trigger.
var retriggerCodes = []Entry{
	{
		Family: Sources, Code: "1387", Status: 400, Operation: Retrigger, Kind: NotYet, Reason: StateNotYet,
		Meaning:  "The run is in a state in which it can't be re-triggered yet; Adobe says to try again later.",
		NextStep: "Nothing: the function waits. If it gives up, look at the run in Adobe's UI.",
	},
	{
		Family: Sources, Code: "1388", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: FlowDisabled,
		Meaning:  "The dataflow is not enabled, so its runs can't be re-triggered.",
		NextStep: "Enable the dataflow, then redrive the dead letter. Adobe disables a dataflow that has failed for 30 days.",
	},
	{
		Family: Sources, Code: "1333", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable, OtherOp: true,
		Meaning: "The run's source does not support this action.", NextStep: stepSource,
	},
	{
		Family: Sources, Code: "1398", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable, OtherOp: true,
		Meaning: "The operation is not supported.", NextStep: stepSource,
	},
	{
		Family: Sources, Code: "1401", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable, OtherOp: true,
		Meaning: "The action on a run is not supported.", NextStep: stepSource,
	},
	{
		Family: FlowService, Code: "1434", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable, OtherOp: true,
		Meaning: "The operation is not supported.", NextStep: stepSource,
	},
	{
		Family: FlowService, Code: "", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable, OtherOp: true,
		Text: `\b(op|operations?|actions?|re[-_ ]?trigger\w*)\b.{0,60}\b(is not|isn't|are not|not|un)[- ]?(supported|allowed|available|permitted|applicable)\b` +
			`|\bunsupported( flow)?( run)? (op|operation|action)\b`,
		Example: "The requested action is not supported for this source type",
		Meaning: "A refusal without a code that calls the action or the operation unsupported.", NextStep: stepSource,
	},
	{
		Family: FlowService, Code: "1435", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable,
		Meaning: "The sub action is not supported.", NextStep: stepSource,
	},
	{
		Family: FlowService, Code: "1436", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable,
		Meaning: "The sub operation is not supported for this operation.", NextStep: stepSource,
	},
	{
		Family: FlowService, Code: "1437", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable,
		Meaning: "The status is not supported; probably that of the run.", NextStep: stepSource,
	},
	{
		Family: FlowService, Code: "1402", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable,
		Meaning: "The action is for providers of flows only.", NextStep: stepSource,
	},
	{
		Family: Sources, Code: "1305", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable,
		Meaning: "The kind of connector does not support this operation.", NextStep: stepSource,
	},
	{
		Family: Sources, Code: "1385", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable,
		Meaning: "No run can be made for this kind of connector.", NextStep: stepSource,
	},
	{
		Family: Sources, Code: "1386", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable,
		Meaning: "No run can be made for a dataflow with this schedule.", NextStep: stepSource,
	},
	{
		Family: FlowService, Code: "1428", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable,
		Meaning: "The run that this run follows is not found.", NextStep: stepSource,
	},
	{
		Family: FlowService, Code: "1429", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: NotRetryable,
		Meaning: "The dataflow that this run's dataflow follows is not found.", NextStep: stepSource,
	},
	{
		Family: FlowService, Code: "1409", Status: 400, Operation: Retrigger, Kind: NotYet, Reason: StateNotYet,
		Meaning: "The operation can't be applied in the current state.", NextStep: "Nothing: the function waits. If it gives up, look at the run in Adobe's UI.",
	},
	{
		Family: FlowService, Code: "1422", Status: 400, Operation: Retrigger, Kind: NotYet, Reason: StateNotYet,
		Meaning: "The action can't be applied in the current state.", NextStep: "Nothing: the function waits. If it gives up, look at the run in Adobe's UI.",
	},
	{
		Family: FlowService, Code: "1444", Status: 400, Operation: Retrigger, Kind: NotYet, Reason: StateNotYet,
		Meaning: "The dataflow is not in the state that the operation expects.", NextStep: "Nothing: the function waits. If it gives up, look at the dataflow in Adobe's UI.",
	},
	{
		Family: Sources, Code: "1380", Status: 400, Operation: Retrigger, Kind: NotYet, Reason: StateNotYet,
		Text:    `\b(try|retry) (again|later)\b|\btemporar|\btime(d)?[ -]?out\b|\bthrottl|\btoo many requests\b|\b(is|was) (unavailable|busy)\b|\bservice unavailable\b`,
		Example: "Failed to create flow run. Error message: The service is temporarily unavailable, please try again later.",
		Meaning: "The new run could not be made, for a cause at the provider that passes.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1380", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: Rejected,
		Meaning: "The new run could not be made; the message is the provider's.", NextStep: stepDataflow,
	},
	{
		Family: Sources, Code: "1308", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: Rejected,
		Meaning: "The service that copies the data refused the request; the message is its own.", NextStep: stepDataflow,
	},
	{
		Family: Sources, Code: "1395", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: Rejected,
		Meaning: "The dataflow has no source connection.", NextStep: stepDataflow,
	},
	{
		Family: FlowService, Code: "1430", Status: 400, Operation: Retrigger, Kind: NotFound, Reason: RunNotFound,
		Meaning: "The run's dataflow is not found.", NextStep: stepMissing,
	},
	{
		Family: FlowService, Code: "1100", Status: 400, Operation: Retrigger, Kind: Permission, Reason: Forbidden,
		Text: `\b(not|un|isn't) ?(entitled|authori[sz]ed|permitted|allowed)\b`, Example: "The request could not be processed. Error from flow provider: Not entitled to this operation.",
		Meaning: "The credential is not entitled to this operation.", NextStep: stepGrant,
	},
	{
		Family: Sources, Code: "1100", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: Rejected,
		Meaning: "The request could not be processed; the message says why.", NextStep: stepDataflow,
	},
	{
		Family: Sources, Code: "1101", Status: 500, Operation: Retrigger, Kind: Passing,
		Meaning: "An internal error of the sources.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "1403", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: Rejected,
		Meaning: "The header If-Match is missing. Adobe documents this call without it.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1405", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: Rejected,
		Meaning: "The body is missing. Adobe documents this call without one.", NextStep: stepReport,
	},
	{
		Family: Sources, Code: "1200", Status: 500, Operation: Retrigger, Kind: Passing,
		Meaning: "An internal error while encrypted data is set up.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1700", Status: 500, Operation: Retrigger, Kind: Passing,
		Meaning: "An internal error of the Data Landing Zone.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1701", Status: 400, Operation: Retrigger, Kind: Permanent, Reason: Rejected,
		Meaning: "The Data Landing Zone is inactive.", NextStep: stepDataflow,
	},
}
