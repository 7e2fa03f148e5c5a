package aepcodes

// Next steps that several codes share.
const (
	stepReport   = "Report it as a fault of this function, with the request id: the function should not send such a request."
	stepSupport  = "If it goes on, give the request id to Adobe's support."
	stepSource   = "Retry the run in Adobe's UI if it offers that; otherwise the dataflow's next run has to bring the data."
	stepToken    = "Check client_id, client_secret and scopes in the secret: the function has tried a fresh token already."
	stepOrg      = "Check org_id in the secret against the credential's project in Adobe Developer Console."
	stepProject  = "Add the Experience Platform API to the credential's project in Adobe Developer Console, and check client_id in the secret; a credential minutes old may need some minutes more."
	stepProfile  = "Assign a product profile of Experience Platform to the credential in Adobe Developer Console, and check org_id in the secret."
	stepGrant    = "Give the credential a role in the sandbox with the permissions View Sources and Manage Sources (Permissions in Experience Platform)."
	stepMissing  = "Check the id and the sandbox: the run may be deleted, or an access label may hide it from the credential."
	stepSandbox  = "Correct the sandbox's name in the request, in the secret or in DEFAULT_SANDBOX; names are in lower case."
	stepDataflow = "Open the dataflow in Adobe's UI and mend what the message names, then retry the run."
	stepData     = "Correct the data at the source with the help of the run's error diagnostics, then let the dataflow ingest it again."
	stepSmaller  = "Split the data at the source into smaller batches: a retry of the same batch fails again."
)
