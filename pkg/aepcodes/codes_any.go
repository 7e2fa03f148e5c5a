package aepcodes

// anyCallCodes are the codes that may answer any call on Flow Service.
var anyCallCodes = []Entry{
	{
		Family: Gateway, Code: "401013", Status: 401, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The token is not valid.", NextStep: stepToken,
	},
	{
		Family: Gateway, Code: "403010", Status: 403, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The token is missing.", NextStep: stepToken,
	},
	{
		Family: Gateway, Code: "403000", Status: 403, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The API key, which is the client id, is missing or not accepted.", NextStep: stepProject,
	},
	{
		Family: Gateway, Code: "403003", Status: 403, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The API key, which is the client id, is not valid for this API.", NextStep: stepProject,
	},
	{
		Family: Gateway, Code: "403023", Status: 403, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The credential has no valid profile for this product.", NextStep: stepProfile,
	},
	{
		Family: Gateway, Code: "403025", Status: 403, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The credential has no valid profile for this org.", NextStep: stepProfile,
	},
	{
		Family: Gateway, Code: "403*", Status: 403, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Text: `\b(api[ _-]?key|client[ _-]?id|profile|tokens?)\b`, Example: "Client ID not allowed to call this service",
		Meaning: "Another refusal of the gateway that speaks of an API key, a client id, a profile or a token.", NextStep: stepProject,
	},
	{
		Family: Gateway, Code: "", Status: 403, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Text:    `\b(api[ _-]?key|client[ _-]?id|profile|tokens?)\b.{0,20}\b(not valid|invalid|missing|required|expired|revoked|unknown|disabled|not (allowed|authorized|subscribed))\b|\b(invalid|missing|expired|unknown) (api[ _-]?key|client[ _-]?id|profile|(\w+ )?token)\b`,
		Example: "Client ID is invalid",
		Meaning: "A refusal without a code that calls an API key, a client id, a profile or a token invalid.", NextStep: stepProject,
	},
	{
		Family: Gateway, Code: "400003", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The header with the org is missing.", NextStep: stepReport,
	},
	{
		Family: Gateway, Code: "429050", Status: 429, Operation: AnyCall, Kind: Passing,
		Meaning: "Too many requests.",
	},
	{
		Family: FlowService, Code: "1100", Status: 400, Operation: AnyCall, Kind: Permission, Reason: Forbidden,
		Meaning: "The credential is not entitled to this operation.", NextStep: stepGrant,
	},
	{
		Family: FlowService, Code: "1101", Status: 404, Operation: AnyCall, Kind: NotFound, Reason: RunNotFound,
		Meaning: "There is no object with this id.", NextStep: stepMissing,
	},
	{
		Family: FlowService, Code: "1102", Status: 500, Operation: AnyCall, Kind: Passing,
		Meaning: "An internal error.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "1103", Status: 503, Operation: AnyCall, Kind: Passing,
		Meaning: "The service is unavailable for now. The sources use this code, too.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "1104", Status: 504, Operation: AnyCall, Kind: Passing,
		Meaning: "A gateway within Adobe timed out. The sources use this code, too.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "1400", Status: 500, Operation: AnyCall, Kind: Passing,
		Meaning: "An internal error.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "1401", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A listing has both limit and count.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1404", Status: 412, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The version in If-Match is not the current one. This function sends none.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1411", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "No id can be read from the path.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1424", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A query over all sandboxes can't be sorted.", NextStep: stepSandbox,
	},
	{
		Family: FlowService, Code: "1427", Status: 400, Operation: AnyCall, Kind: Permission, Reason: Forbidden,
		Meaning: "The token must not make or change runs.", NextStep: stepGrant,
	},
	{
		Family: FlowService, Code: "1432", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The sort order of a listing is wrong.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1433", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The property that a listing is sorted by is wrong.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1439", Status: 400, Operation: AnyCall, Kind: NotFound, Reason: RunNotFound,
		Meaning: "The run or dataflow is not found.", NextStep: stepMissing,
	},
	{
		Family: FlowService, Code: "1439", Status: 404, Operation: AnyCall, Kind: NotFound, Reason: RunNotFound,
		Meaning: "The run or dataflow is not found.", NextStep: stepMissing,
	},
	{
		Family: FlowService, Code: "1440", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "An operator in a filter is not implemented.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1443", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "An operator in a filter does not take several values.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1448", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "An operator in a filter does not suit the property.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1449", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A property in a filter is not valid.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1450", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "An operator in a filter is not valid.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1451", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A query parameter is not valid.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1452", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A value in a filter does not suit the property.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1453", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A value in a query is missing or not valid.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "1454", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The kind of a value in a filter is not handled.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "2000", Status: 401, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The token has no access to the org, or there is no such org.", NextStep: stepOrg,
	},
	{
		Family: FlowService, Code: "2001", Status: 401, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The header with the org is missing or empty.", NextStep: stepOrg,
	},
	{
		Family: FlowService, Code: "2002", Status: 401, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The header with the org is missing.", NextStep: stepOrg,
	},
	{
		Family: FlowService, Code: "2100", Status: 404, Operation: AnyCall, Kind: NotFound, Reason: SandboxNotFound,
		Meaning: "There is no sandbox with this name.", NextStep: stepSandbox,
	},
	{
		Family: FlowService, Code: "2101", Status: 404, Operation: AnyCall, Kind: NotFound, Reason: SandboxNotFound,
		Meaning: "Sandbox Management knows no sandbox with this name.", NextStep: stepSandbox,
	},
	{
		Family: FlowService, Code: "2102", Status: 500, Operation: AnyCall, Kind: Passing, NoEffect: true,
		Meaning: "The sandbox could not be looked up by its name.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "2103", Status: 404, Operation: AnyCall, Kind: NotFound, Reason: SandboxNotFound,
		Meaning: "There is no sandbox with this name and id.", NextStep: stepSandbox,
	},
	{
		Family: FlowService, Code: "2104", Status: 500, Operation: AnyCall, Kind: Passing, NoEffect: true,
		Meaning: "The sandbox could not be looked up by its id.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "2105", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The header with the sandbox is missing.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "2106", Status: 404, Operation: AnyCall, Kind: NotFound, Reason: SandboxNotFound,
		Meaning: "The org has no default sandbox.", NextStep: stepSandbox,
	},
	{
		Family: FlowService, Code: "2107", Status: 500, Operation: AnyCall, Kind: Passing, NoEffect: true,
		Meaning: "The default sandbox could not be looked up.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "2108", Status: 500, Operation: AnyCall, Kind: Passing, NoEffect: true,
		Meaning: "The active sandboxes could not be looked up.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "2110", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The header with the sandbox's id is not allowed with this token. This function sends none.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "2111", Status: 403, Operation: AnyCall, Kind: NotFound, Reason: SandboxNotFound,
		Meaning: "The sandbox's name is *, which this token must not use.", NextStep: stepSandbox,
	},
	{
		Family: FlowService, Code: "2112", Status: 400, Operation: AnyCall, Kind: NotFound, Reason: SandboxNotFound,
		Meaning: "The sandbox's name is *, which needs the id * as well.", NextStep: stepSandbox,
	},
	{
		Family: FlowService, Code: "2113", Status: 400, Operation: AnyCall, Kind: NotFound, Reason: SandboxNotFound,
		Meaning: "The sandbox's name is *, which this request does not allow.", NextStep: stepSandbox,
	},
	{
		Family: FlowService, Code: "2114", Status: 400, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The token is empty.", NextStep: stepToken,
	},
	{
		Family: FlowService, Code: "2115", Status: 400, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The token is not valid.", NextStep: stepToken,
	},
	{
		Family: FlowService, Code: "2116", Status: 500, Operation: AnyCall, Kind: Passing, NoEffect: true,
		Meaning: "The token's scopes could not be worked out.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "2117", Status: 500, Operation: AnyCall, Kind: Passing, NoEffect: true,
		Meaning: "The permissions could not be checked.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "2118", Status: 403, Operation: AnyCall, Kind: Permission, Reason: Forbidden,
		Meaning: "A permission is missing; the message names it.", NextStep: stepGrant,
	},
	{
		Family: FlowService, Code: "2119", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The query parameter specId is missing.", NextStep: stepReport,
	},
	{
		Family: FlowService, Code: "2120", Status: 403, Operation: AnyCall, Kind: Permission, Reason: Forbidden,
		Meaning: "The permissions do not suffice for this operation.", NextStep: stepGrant,
	},
	{
		Family: FlowService, Code: "2121", Status: 403, Operation: AnyCall, Kind: Permission, Reason: Forbidden,
		Meaning: "A permission on the source is denied; the message names it.", NextStep: stepGrant,
	},
	{
		Family: FlowService, Code: "2200", Status: 500, Operation: AnyCall, Kind: Passing,
		Meaning: "The Catalog service could not check the schema.", NextStep: stepSupport,
	},
	{
		Family: FlowService, Code: "2250", Status: 500, Operation: AnyCall, Kind: Passing,
		Meaning: "The Data Prep service could not check the mapping.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1000", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The request is not valid.", NextStep: stepReport,
	},
	{
		Family: Sources, Code: "1001", Status: 401, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The user is unauthorized.", NextStep: stepToken,
	},
	{
		Family: Sources, Code: "1002", Status: 403, Operation: AnyCall, Kind: Permission, Reason: Forbidden,
		Meaning: "The operation is forbidden.", NextStep: stepGrant,
	},
	{
		Family: Sources, Code: "1003", Status: 404, Operation: AnyCall, Kind: NotFound, Reason: RunNotFound,
		Meaning: "The run or dataflow is not found.", NextStep: stepMissing,
	},
	{
		Family: Sources, Code: "1004", Status: 415, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The format of the body is not supported.", NextStep: stepReport,
	},
	{
		Family: Sources, Code: "1005", Status: 500, Operation: AnyCall, Kind: Passing,
		Meaning: "An internal error.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1006", Status: 408, Operation: AnyCall, Kind: Passing,
		Meaning: "The request took Adobe too long.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1007", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A header is not valid; the message names it.", NextStep: stepReport,
	},
	{
		Family: Sources, Code: "1008", Status: 401, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The token has no access to the org, or there is no such org.", NextStep: stepOrg,
	},
	{
		Family: Sources, Code: "1009", Status: 403, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The header with the org is missing or empty.", NextStep: stepOrg,
	},
	{
		Family: Sources, Code: "1010", Status: 500, Operation: AnyCall, Kind: Passing,
		Meaning: "An internal error: Adobe could not write its own message.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1011", Status: 503, Operation: AnyCall, Kind: Passing,
		Meaning: "The service is unavailable for now.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1012", Status: 504, Operation: AnyCall, Kind: Passing,
		Meaning: "A gateway within Adobe timed out.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1013", Status: 412, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A condition in a header is not met. This function sends none.", NextStep: stepReport,
	},
	{
		Family: Sources, Code: "1014", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "An argument is not valid; the message says which.", NextStep: stepReport,
	},
	{
		Family: Sources, Code: "1102", Status: 404, Operation: AnyCall, Kind: NotFound, Reason: RunNotFound,
		Meaning: "The run or dataflow is not found.", NextStep: stepMissing,
	},
	{
		Family: Sources, Code: "1105", Status: 401, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The user is unauthorized.", NextStep: stepToken,
	},
	{
		Family: Sources, Code: "1106", Status: 403, Operation: AnyCall, Kind: Permission, Reason: Forbidden,
		Meaning: "The operation is forbidden.", NextStep: stepGrant,
	},
	{
		Family: Sources, Code: "1107", Status: 412, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A condition in a header is not met. This function sends none.", NextStep: stepReport,
	},
	{
		Family: Sources, Code: "1334", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A query parameter is empty.", NextStep: stepReport,
	},
	{
		Family: Sources, Code: "1339", Status: 400, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The org's id has a wrong format.", NextStep: stepOrg,
	},
	{
		Family: Sources, Code: "1349", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The filter is not valid.", NextStep: stepReport,
	},
	{
		Family: Sources, Code: "1402", Status: 500, Operation: AnyCall, Kind: Passing,
		Meaning: "An internal error.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1600", Status: 400, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "The request could not be processed; the message says why.", NextStep: stepDataflow,
	},
	{
		Family: Sources, Code: "1601", Status: 500, Operation: AnyCall, Kind: Passing,
		Meaning: "An internal error.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1602", Status: 404, Operation: AnyCall, Kind: NotFound, Reason: RunNotFound,
		Meaning: "The run or dataflow is not found.", NextStep: stepMissing,
	},
	{
		Family: Sources, Code: "1603", Status: 503, Operation: AnyCall, Kind: Passing,
		Meaning: "The service is unavailable for now.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1604", Status: 504, Operation: AnyCall, Kind: Passing,
		Meaning: "A gateway within Adobe timed out.", NextStep: stepSupport,
	},
	{
		Family: Sources, Code: "1605", Status: 401, Operation: AnyCall, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The user is unauthorized.", NextStep: stepToken,
	},
	{
		Family: Sources, Code: "1606", Status: 403, Operation: AnyCall, Kind: Permission, Reason: Forbidden,
		Meaning: "The operation is forbidden.", NextStep: stepGrant,
	},
	{
		Family: Sources, Code: "1607", Status: 412, Operation: AnyCall, Kind: Permanent, Reason: Rejected,
		Meaning: "A condition in a header is not met. This function sends none.", NextStep: stepReport,
	},
}
