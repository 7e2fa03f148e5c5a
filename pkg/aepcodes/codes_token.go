package aepcodes

// tokenCodes are what IMS answers to the request of a token. Adobe publishes no list
// of them: these are the words of OAuth (RFC 6749) and of Adobe's own samples.
var tokenCodes = []Entry{
	{
		Family: IMS, Code: "invalid_client", Operation: Token, Kind: Credential, Reason: CredentialsRefused,
		Text: `client[ _-]?secret`, Example: "invalid client_secret parameter",
		Meaning:  "The client secret is wrong.",
		NextStep: "Put a client secret of the credential in the secret; Adobe Developer Console shows them. After a rotation the old one is gone.",
	},
	{
		Family: IMS, Code: "invalid_client", Operation: Token, Kind: Credential, Reason: CredentialsRefused,
		Text: `client[ _-]?id`, Example: "invalid client_id parameter",
		Meaning:  "There is no such client id.",
		NextStep: "Check client_id in the secret. A service account (JWT) has ended in 2025: make an OAuth Server-to-Server credential.",
	},
	{
		Family: IMS, Code: "invalid_client", Operation: Token, Kind: Credential, Reason: CredentialsRefused,
		Meaning:  "The client id or the client secret is wrong.",
		NextStep: "Check client_id and client_secret in the secret against the credential in Adobe Developer Console.",
	},
	{
		Family: IMS, Code: "unauthorized_client", Operation: Token, Kind: Credential, Reason: CredentialsRefused,
		Meaning:  "The credential must not ask for tokens in this way.",
		NextStep: "Use an OAuth Server-to-Server credential: a service account (JWT) has ended in 2025, and other kinds can't do it.",
	},
	{
		Family: IMS, Code: "invalid_scope", Operation: Token, Kind: Credential, Reason: CredentialsRefused,
		Meaning:  "A scope is not assigned to the credential.",
		NextStep: "Copy the scopes from the credential in Adobe Developer Console to scopes in the secret; meta scopes such as ent_dataservices_sdk are of JWT times.",
	},
	{
		Family: IMS, Code: "unsupported_grant_type", Operation: Token, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The credential is of a kind that has no client credentials grant.", NextStep: "Use an OAuth Server-to-Server credential.",
	},
	{
		Family: IMS, Code: "invalid_grant", Operation: Token, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The grant is not valid for the credential.", NextStep: "Use an OAuth Server-to-Server credential.",
	},
	{
		Family: IMS, Code: "access_denied", Operation: Token, Kind: Credential, Reason: CredentialsRefused,
		Meaning: "The credential is refused.", NextStep: "Check in Adobe Developer Console that the credential's project is neither suspended nor deleted.",
	},
	{
		Family: IMS, Code: "invalid_request", Operation: Token, Kind: Credential, Reason: CredentialsRefused,
		Meaning:  "A field of the request is missing or wrong.",
		NextStep: "Check client_id, client_secret and scopes in the secret for characters that do not belong there.",
	},
	{
		Family: IMS, Code: "slow_down", Operation: Token, Kind: Passing,
		Meaning: "Too many tokens are asked for.",
	},
	{
		Family: IMS, Code: "temporarily_unavailable", Operation: Token, Kind: Passing,
		Meaning: "IMS is unavailable for now.", NextStep: stepSupport,
	},
	{
		Family: IMS, Code: "internal_error", Operation: Token, Kind: Passing,
		Meaning: "An internal error of IMS.", NextStep: stepSupport,
	},
	{
		Family: IMS, Code: "server_error", Operation: Token, Kind: Passing,
		Meaning: "An internal error of IMS.", NextStep: stepSupport,
	},
}
