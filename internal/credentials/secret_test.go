package credentials_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// understood is what was read out of a secret: each client secret in turn, and the
// rest.
type understood struct {
	ClientID, OrgID, Sandbox string
	ClientSecret             string // the first
	Scopes                   []string
}

// value is the value of one secret.
type value secretsmanager.GetSecretValueOutput

func (v *value) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return (*secretsmanager.GetSecretValueOutput)(v), nil
}

// readValue reads a secret by way of a store.
func readValue(ctx context.Context, v *value) (understood, error) {
	var cred flowclient.Credentials
	newClient := func(_ string, c flowclient.Credentials) (*flowclient.Client, error) {
		cred = c
		return nil, nil //nolint:nilnil // nothing is called
	}
	account, err := credentials.NewStore(v, []string{"aep/ims"}, newClient, time.Hour, time.Now).ForOrg(ctx, "")
	if err != nil {
		return understood{}, err
	}
	return understood{account.ClientID, account.OrgID, account.Sandbox, cred.ClientSecret, cred.Scopes}, nil
}

func read(ctx context.Context, text string) (understood, error) {
	return readValue(ctx, &value{SecretString: &text})
}

const (
	theID     = "3f0c2b7d9e5a4f1c8b6d0e2a7c9f4b1d"
	theSecret = "p8e-K1w9_hunter2-XyZ"
	theOrg    = "9A8B7C6D5E4F3A2B1C0D9E8F@AdobeOrg"
)

// fill puts the values of this test into a text: ID, SECRET, ORG and SCOPES.
func fill(text string) string {
	return strings.NewReplacer("$ID", theID, "$SECRET", theSecret, "$ORG", theOrg).Replace(text)
}

func TestSecretsInTheSpellingsOfAdobesToolsAreRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, sandbox string }{
		"ours":               {`{"client_id":"$ID","client_secret":"$SECRET","org_id":"$ORG","scopes":"openid,AdobeID","sandbox":"prod"}`, "prod"},
		"ours, with a list":  {`{"client_id":"$ID","client_secret":"$SECRET","org_id":"$ORG","scopes":["openid","AdobeID"]}`, ""},
		"byte order mark":    {"\uFEFF" + `{"client_id":"$ID","client_secret":"$SECRET","org_id":"$ORG","scopes":"openid AdobeID"}`, ""},
		"spaces around":      {"\r\n\t\uFEFF" + `{"client_id":" $ID\n","client_secret":"\u00a0$SECRET\u200b","org_id":"\t$ORG ","scopes":" openid , AdobeID ","sandbox":" dev "}` + " \r\n\uFEFF", "dev"},
		"in quotes":          {`"{\"client_id\":\"$ID\",\"client_secret\":\"$SECRET\",\"org_id\":\"$ORG\",\"scopes\":\"openid,AdobeID\"}"`, ""},
		"in quotes, twice":   {`"\"{\\\"client_id\\\":\\\"$ID\\\",\\\"client_secret\\\":\\\"$SECRET\\\",\\\"org_id\\\":\\\"$ORG\\\",\\\"scopes\\\":\\\"openid,AdobeID\\\"}\""`, ""},
		"in a field":         {`{"credential":"{\"client_id\":\"$ID\",\"client_secret\":\"$SECRET\",\"org_id\":\"$ORG\",\"scopes\":\"openid,AdobeID\"}","sandbox":"dev"}`, "dev"},
		"list in a text":     {`{"client_id":"$ID","client_secret":"$SECRET","org_id":"$ORG","scopes":"[\"openid\", \"AdobeID\"]"}`, ""},
		"Python's list":      {`{"client_id":"$ID","client_secret":"$SECRET","org_id":"$ORG","scopes":"['openid', 'AdobeID']"}`, ""},
		"aepp":               {`{"org_id":"$ORG","client_id":"$ID","secret":"$SECRET","sandbox-name":"prod","environment":"prod","scopes":"openid, AdobeID"}`, "prod"},
		"aepp, old":          {`{"org_id":"$ORG","api_key":"$ID","tech_id":"x@techacct.adobe.com","secret":"$SECRET","sandbox-name":"prod","environment":"stage","scopes":"openid,AdobeID"}`, "prod"},
		"camel case":         {`{"clientId":"$ID","clientSecret":"$SECRET","imsOrgId":"$ORG","scopes":["openid","AdobeID"],"sandboxName":"dev"}`, "dev"},
		"camel case, others": {`{"apiKey":"$ID","ClientSecret":"$SECRET","orgId":"$ORG","scope":"openid AdobeID"}`, ""},
		"headers":            {`{"x-api-key":"$ID","client-secret":"$SECRET","x-gw-ims-org-id":"$ORG","x-sandbox-name":"dev","scopes":"openid,AdobeID"}`, "dev"},
		"environment file":   {`{"ADOBE_CLIENT_ID":"$ID","ADOBE_CLIENT_SECRET":"$SECRET","IMS_ORG_ID":"$ORG","ADOBE_SCOPES":"openid,AdobeID","AEP_SANDBOX":"dev"}`, "dev"},
		"ours, for make run": {`{"AEP_CLIENT_ID":"$ID","AEP_CLIENT_SECRET":"$SECRET","AEP_ORG_ID":"$ORG","AEP_SCOPES":"openid,AdobeID","AEP_SANDBOX":"dev"}`, "dev"},
		"App Builder":        {`{"OAUTH_CLIENT_ID":"$ID","OAUTH_CLIENT_SECRETS":"[\"$SECRET\",\"old\"]","OAUTH_TECHNICAL_ACCOUNT_ID":"x","OAUTH_SCOPES":"[\"openid\",\"AdobeID\"]","OAUTH_IMS_ORG_ID":"$ORG"}`, ""},
		"App Builder, new":   {`{"IMS_OAUTH_S2S_CLIENT_ID":"$ID","IMS_OAUTH_S2S_CLIENT_SECRET":"$SECRET","IMS_OAUTH_S2S_ORG_ID":"$ORG","IMS_OAUTH_S2S_SCOPES":"openid,AdobeID"}`, ""},
		"Postman":            {`{"name":"AEP","values":[{"key":"CLIENT_SECRET","value":"$SECRET","type":"secret","enabled":true},{"key":"API_KEY","value":"$ID"},{"key":"ACCESS_TOKEN","value":""},{"key":"SCOPES","value":"openid,AdobeID"},{"key":"IMS","value":"ims-na1.adobelogin.com"},{"key":"IMS_ORG","value":"$ORG"},{"key":"SANDBOX_NAME","value":"dev","enabled":true},{"key":"SANDBOX_NAME","value":"prod","enabled":false},{"key":"API_KEY","value":"x","disabled":true}]}`, "dev"},
		"Postman's values":   {`[{"key":"CLIENT_SECRET","value":"$SECRET"},{"key":"API_KEY","value":"$ID"},{"key":"SCOPES","value":"openid,AdobeID"},{"key":"IMS_ORG","value":"$ORG"}]`, ""},
		"Postman, flat":      {`{"CLIENT_SECRET":"$SECRET","API_KEY":"$ID","SCOPES":"openid,AdobeID","IMS_ORG":"$ORG","SANDBOX_NAME":"prod"}`, "prod"},
		"aio context":        {`{"client_id":"$ID","client_secrets":["$SECRET","older"],"technical_account_id":"t@techacct.adobe.com","ims_org_id":"$ORG","scopes":["openid","AdobeID"],"oauth_enabled":true}`, ""},
		"aio configuration":  {`{"ims":{"config":{"current":"aep"},"contexts":{"aep":{"client_id":"$ID","client_secrets":["$SECRET"],"ims_org_id":"$ORG","scopes":["openid","AdobeID"]},"cli":{"access_token":{"token":"x","expiry":1},"client_id":"aio-cli-console-auth"}}}}`, ""},
		"aio, printed":       {`{"name":"aep","local":true,"data":{"client_id":"$ID","client_secrets":["$SECRET"],"ims_org_id":"$ORG","scopes":["openid","AdobeID"]}}`, ""},
		"console": {`{"project":{"id":"1","name":"p","org":{"id":"2","name":"o","ims_org_id":"$ORG"},"workspace":{"id":"3","details":{"credentials":[
			{"id":"4","name":"k","integration_type":"apikey","api_key":{"client_id":"another"}},
			{"id":"5","name":"j","integration_type":"service","jwt":{"client_id":"another","client_secret":"other","meta_scopes":["ent_dataservices_sdk"]}},
			{"id":"6","name":"c","integration_type":"oauth_server_to_server","oauth_server_to_server":{"client_id":"$ID","client_secrets":["$SECRET"],"technical_account_id":"x","scopes":["openid","AdobeID"]}}],
			"services":[{"code":"AEPSDK","name":"Experience Platform"}],"runtime":{"namespaces":[{"name":"n","auth":"a"}]}}}},"sandbox":"prod"}`, "prod"},
		"console's credential": {`{"oauth_server_to_server":{"client_id":"$ID","client_secrets":["$SECRET"],"scopes":["openid","AdobeID"]},"org_id":"$ORG"}`, ""},
		"nested":               {`{"client":{"id":"$ID","secret":"$SECRET"},"org":{"id":"$ORG","name":"Acme"},"scopes":["openid","AdobeID"],"sandbox":{"name":"dev","title":"Development"}}`, "dev"},
		"list of one":          {`[{"client_id":"$ID","client_secret":"$SECRET","org_id":"$ORG","scopes":"openid,AdobeID"}]`, ""},
		"the company's name":   {`{"clientId":"$ID","clientSecret":"$SECRET","org":"Acme Inc","imsOrg":"$ORG","scopes":"openid,AdobeID"}`, ""},
		"ours wins":            {`{"api_key":"other","client_id":"$ID","client_secret":"$SECRET","secret":"other","org_id":"$ORG","imsOrg":"1@AdobeOrg","scopes":"openid,AdobeID","scope":"x","sandbox":"dev","sandboxName":"prod"}`, "dev"},
		"ours wins at the top": {`{"old":{"client_id":"other","client_secret":"other","sandbox":"x"},"client_id":"$ID","client_secret":"$SECRET","org_id":"$ORG","scopes":"openid,AdobeID"}`, ""},
		"twice the same":       {`{"client_id":"$ID","clientId":"$ID","secret":"$SECRET","clientSecret":" $SECRET","org_id":"$ORG","scopes":"openid,AdobeID","scope":["AdobeID","openid"]}`, ""},
		"an empty field":       {`{"client_id":"","API_KEY":"$ID","client_secret":null,"secret":"$SECRET","org_id":"$ORG","scopes":[],"scope":"openid,AdobeID","sandbox":""}`, ""},
		"a list beside one":    {`{"client_id":"$ID","client_secret":"old","client_secrets":["$SECRET","old"],"org_id":"$ORG","scopes":"openid,AdobeID"}`, ""},
		"a list beside two":    {`{"CLIENT_ID":"$ID","CLIENT_SECRET":"$SECRET","secret":"old","CLIENT_SECRETS":"[\"$SECRET\",\"old\"]","ORG_ID":"$ORG","scopes":"openid,AdobeID"}`, ""},
		"a JWT's rest":         {`{"client_id":"$ID","client_secret":"$SECRET","org_id":"$ORG","scopes":"openid,AdobeID","private_key":"x","meta_scopes":["ent_dataservices_sdk"]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t.Context(), fill(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			want := understood{theID, theOrg, tt.sandbox, theSecret, []string{"openid", "AdobeID"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewestOfSeveralClientSecretsComesFirst(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]string{
		"texts, as they stand": `["$SECRET","b","c"]`,
		"commas":               `"$SECRET, b,c"`,
		"dates":                `[{"client_secret":"b","created_at":"2025-03-01"},{"client_secret":"$SECRET","created_at":"2026-01-01T00:00:00Z"},{"client_secret":"c","created_at":"2024-12-31 23:59:59"}]`,
		"epoch milliseconds":   `[{"uuid":"1","client_secret":"b","created_at":1735689600000},{"uuid":"2","client_secret":"$SECRET","created_at":1767225600000}]`,
		"epoch seconds, texts": `[{"secret":"b","createdAt":"1735689600"},{"secret":"$SECRET","createdAt":"1767225600"},{"secret":"c"}]`,
		"dated before undated": `["b",{"value":"$SECRET","created":"2025-01-01","created_by":"somebody"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t.Context(), fill(`{"client_id":"$ID","client_secrets":`+list+`,"org_id":"$ORG","scopes":"openid"}`))
			if err != nil || got.ClientSecret != theSecret {
				t.Errorf("first client secret %q, error %v", got.ClientSecret, err)
			}
		})
	}
}

func TestBinarySecretIsReadAsText(t *testing.T) {
	t.Parallel()
	text := fill(`{"client_id":"$ID","client_secret":"$SECRET","org_id":"$ORG","scopes":"openid"}`)
	for _, bytes := range []string{text, "\uFEFF" + text} {
		if got, err := readValue(t.Context(), &value{SecretBinary: []byte(bytes)}); err != nil || got.ClientSecret != theSecret {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for name, bytes := range map[string]string{"noise": "\x1f\x8b\x00hunter2", "empty": "", "text": theSecret, "UTF-16": "\xff\xfe{\x00h\x00u\x00"} {
		_, err := readValue(t.Context(), &value{SecretBinary: []byte(bytes)})
		if kind(err) != credentials.SecretInvalid || !strings.Contains(err.Error(), "is binary") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

func TestErrorOfASecretNamesTheFieldAndNoValue(t *testing.T) {
	t.Parallel()
	with := func(name, text string) string { // our own spelling with one field changed
		fields := map[string]string{"client_id": `"$ID"`, "client_secret": `"$SECRET"`, "org_id": `"$ORG"`, "scopes": `"openid"`}
		fields[name] = text
		var list []string
		for name, text := range fields {
			list = append(list, fmt.Sprintf("%q:%s", name, text))
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"empty":                {" \n", []string{"is empty"}},
		"no JSON":              {"$SECRET", []string{"is not valid JSON at line 1, column 1: "}},
		"a text":               {`"$SECRET"`, []string{"is not a JSON object"}},
		"a number":             {`7`, []string{"is not a JSON object"}},
		"a list of texts":      {`["$SECRET"]`, []string{"is not a JSON object"}},
		"all missing":          {`{}`, []string{"client_id is missing", "client_secret is missing", "org_id is missing", "scopes is missing"}},
		"nothing in them":      {`{"client_id":"$ID","client_secret":" ","org_id":"$ORG","scopes":""}`, []string{"client_secret is missing or empty", "scopes is missing or empty"}},
		"nothing in it":        {`{"API_KEY":"","client_secret":"$SECRET","org_id":"$ORG","scopes":"a"}`, []string{`field "API_KEY" is empty: it or "client_id" is wanted`}},
		"wrong types":          {`{"client_id":1,"client_secret":{"a":"$SECRET"},"org_id":true,"scopes":7,"sandbox":[1]}`, []string{"client_id must be a string", "client_secret must be a string", "org_id must be a string", "scopes must be a comma-separated", "sandbox must be a string"}},
		"wrong element":        {`{"client_id":"$ID","client_secrets":[{"uuid":"$SECRET"}],"org_id":"$ORG","scopes":["a",7]}`, []string{`field "client_secrets" (client_secret) has an element that is neither`, "scopes must be a comma-separated string or a list"}},
		"slips of the pen":     {`{"clinet_id":"$ID","client_scret":"$SECRET","imsOgrId":"$ORG","scops":"openid"}`, []string{`field "clinet_id" is there, "client_id" is wanted`, `field "client_scret" is there, "client_secret" is wanted`, `field "imsOgrId" is there, "org_id" is wanted`, `field "scops" is there, "scopes" is wanted`}},
		"vague names":          {`{"client":"$ID","password":"$SECRET","tenant":"$ORG","permissions":"openid"}`, []string{`field "client" is there, "client_id" is wanted`, `field "password" is there, "client_secret" is wanted`, `field "tenant" is there, "org_id" is wanted`, `field "permissions" is there, "scopes" is wanted`}},
		"longer names":         {`{"my_client_id":"$ID","prod_client_secret":"$SECRET","acme_ims_org":"$ORG","myScopes":"openid"}`, []string{`field "my_client_id" is there`, `field "prod_client_secret" is there`, `field "acme_ims_org" is there`, `field "myScopes" is there`}},
		"sandbox":              {with("sandbx", `"prod"`), []string{`field "sandbx" is there, "sandbox" is wanted`}},
		"several sandboxes":    {with("sandboxes", `["prod","dev"]`), []string{`field "sandboxes" is there, "sandbox" is wanted`}},
		"default sandbox":      {with("defaultSandbox", `"prod"`), []string{`field "defaultSandbox" is there, "sandbox" is wanted`}},
		"quotes in the id":     {with("client_id", `"\"$ID\""`), []string{"field client_id has quotation marks around its value"}},
		"quotes in the secret": {with("client_secret", `["'$SECRET'"]`), []string{"field client_secret has quotation marks around its value"}},
		"quotes in the org":    {with("org_id", `"'$ORG'"`), []string{"field org_id has quotation marks around its value"}},
		"secret as a name":     {`{"$SECRET":"client_secret","client_secret_$SECRET":"x","client_id":"$ID"}`, []string{"field client_secret is missing"}},
		"two client ids":       {`{"API_KEY":"$ID","clientId":"x","client_secret":"$SECRET","org_id":"$ORG","scopes":"a"}`, []string{`field "API_KEY" and field "clientId" are both the client_id, with different values`}},
		"two secrets":          {`{"secret":"$SECRET","CLIENT_SECRET":"x","client_id":"$ID","org_id":"$ORG","scopes":"a"}`, []string{`field "secret" and field "CLIENT_SECRET" are both the client_secret`}},
		"two orgs":             {`{"imsOrg":"$ORG","organization_id":"1@AdobeOrg","client_id":"$ID","client_secret":"x","scopes":"a"}`, []string{`field "imsOrg" and field "organization_id" are both the org_id`}},
		"two scopes":           {`{"SCOPES":"a","scope":"a,b","client_id":"$ID","client_secret":"x","org_id":"$ORG"}`, []string{`field "SCOPES" and field "scope" are both the scopes`}},
		"two sandboxes":        {`{"sandbox-name":"dev","sandboxName":"prod","client_id":"$ID","client_secret":"x","org_id":"$ORG","scopes":"a"}`, []string{`field "sandbox-name" and field "sandboxName" are both the sandbox`}},
		"one field twice":      {`{"client_id":"$ID","client_id":"x","client_secret":"$SECRET","org_id":"$ORG","scopes":"a"}`, []string{`field "client_id" is there twice`}},
		"two of Postman's":     {`{"values":[{"key":"API_KEY","value":"a"},{"key":"API_KEY","value":"b"},{"key":"CLIENT_SECRET","value":"$SECRET"},{"key":"IMS_ORG","value":"$ORG"},{"key":"SCOPES","value":"a"}]}`, []string{`field "API_KEY" is there twice`}},
		"several": {`{"project":{"org":{"ims_org_id":"$ORG"},"workspace":{"details":{"credentials":[
			{"integration_type":"oauth_server_to_server","oauth_server_to_server":{"client_id":"$ID","client_secrets":["$SECRET"],"scopes":["a"]}},
			{"integration_type":"oauth_server_to_server","oauth_server_to_server":{"client_id":"x","client_secrets":["y"],"scopes":["a"]}}]}}}}`, []string{"holds several credentials"}},
		"several contexts": {`[{"client_id":"$ID","client_secret":"$SECRET"},{"client_id":"x","client_secret":"y"}]`, []string{"holds several credentials"}},
		"JWT":              {`{"client_id":"$ID","client_secret":"$SECRET","org_id":"$ORG","private_key":"-----BEGIN","meta_scopes":["ent_dataservices_sdk"]}`, []string{"is a JWT credential", "2025", "OAuth server-to-server"}},
		"JWT of aepp":      {`{"org_id":"$ORG","client_id":"$ID","tech_id":"a@techacct.adobe.com","secret":"$SECRET","pathToKey":"private.key","sandbox-name":"prod"}`, []string{"is a JWT credential"}},
		"JWT of Postman":   {`{"values":[{"key":"CLIENT_SECRET","value":"$SECRET"},{"key":"API_KEY","value":"$ID"},{"key":"ADOBE_PRIVATE_KEY","value":"-----BEGIN"},{"key":"IMS_ORG","value":"$ORG"}]}`, []string{"is a JWT credential"}},
		"JWT of console":   {`{"project":{"org":{"ims_org_id":"$ORG"},"workspace":{"details":{"credentials":[{"integration_type":"service","jwt":{"client_id":"$ID","client_secret":"$SECRET","meta_scopes":["m"]}}]}}}}`, []string{"is a JWT credential"}},
		"client id":        {with("client_id", `"3f0c 2b7d"`), []string{"field client_id has a character in it that no id has"}},
		"long client id":   {with("client_id", `"`+strings.Repeat("a", 257)+`"`), []string{"field client_id has more than 256"}},
		"broken secret":    {with("client_secret", `"p8e-\n$SECRET"`), []string{"field client_secret has a line break"}},
		"many secrets":     {with("client_secret", `["0","1","2","3","4","5","6","7","8","9","$SECRET"]`), []string{"11 client secrets, more than 10"}},
		"bare org":         {with("org_id", `"9A8B7C6D5E4F3A2B1C0D9E8F"`), []string{`has the 24 characters of an org's id, and lacks "@AdobeOrg"`}},
		"tech account":     {with("org_id", `"9A8B@techacct.adobe.com"`), []string{`must end in "@AdobeOrg": its value is the id of a technical account`}},
		"company":          {with("org_id", `"Acme"`), []string{`field org_id must end in "@AdobeOrg"`}},
		"no org":           {with("org_id", `"@AdobeOrg"`), []string{"field org_id must have one id before"}},
		"two in one":       {with("org_id", `"1@AdobeOrg,2@AdobeOrg"`), []string{"field org_id must have one id before"}},
		"spaced org":       {with("org_id", `"9A8B 7C6D@AdobeOrg"`), []string{"field org_id has a character in it"}},
		"odd scopes":       {with("scopes", `"openid,“AdobeID”"`), []string{"field scopes has a character in it that no scope has"}},
		"scopes of spaces": {with("scopes", `[" "]`), []string{"scopes is missing or empty"}},
		"sandbox's title":  {with("sandbox", `"My Prod"`), []string{"field sandbox can't be the name of a sandbox", "title"}},
		"sandbox's path":   {with("sandbox-name", `"prod/dev"`), []string{`field "sandbox-name" (sandbox) can't be the name`}},
		"deep":             {strings.Repeat(`{"a":`, 40) + `"$SECRET"` + strings.Repeat("}", 40), []string{"nested deeper"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := read(t.Context(), fill(tt.text))
			if kind(err) != credentials.SecretInvalid {
				t.Fatalf("error = %v, want SecretInvalid", err)
			}
			for _, want := range append(tt.want, `secret "aep/ims"`) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			for _, value := range []string{theSecret, theID, theOrg[:12], "hunter2", "Acme"} {
				if strings.Contains(err.Error(), value) {
					t.Errorf("error %q contains %q", err, value)
				}
			}
		})
	}
}

func TestSyntaxErrorOfASecretHasItsPlaceAndNoText(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"trailing comma":      {"{\n  \"client_id\": \"$ID\",\n  \"sandbox\": \"prod\",\r\n}\r\n", []string{"line 4, column 1: a comma stands before the closing bracket, at line 3, column 20"}},
		"typographic quotes":  {`{“client_id”: “$ID”}`, []string{"line 1, column 2: a typographic quotation mark"}},
		"half of them":        {`{"client_secret": "$SECRET”, "a": 1}`, []string{"typographic quotation mark stands at line 1, column 40"}},
		"letters of bytes":    {`{"ü€𝄞": "ä", x}`, []string{"line 1, column 14: a name or text without"}},
		"tabs":                {"{\t\t\"a\":\t'$SECRET'}", []string{"line 1, column 9: a single quotation mark"}},
		"old Mac lines":       {"{\r\"a\": 1\r\"b\": 2}", []string{"line 3, column 1: a comma"}},
		"Windows lines":       {"{\r\n\"a\": 1\r\n\"b\": 2}", []string{"line 3, column 1: "}},
		"within a line end":   {"{\"a\": \"$SECRET\r\n\"}", []string{"line 1, column 28: a text has a line break"}},
		"cut off":             {"{\"client_secret\":\n \"$SECR", []string{"line 2, column 8: the text ends"}},
		"Python":              {`{"a": None}`, []string{"column 7: a name or text"}},
		"comment":             {"{\n// $SECRET\n}", []string{"line 2, column 1: JSON has no comments"}},
		"two of them":         {`{"a":1} {"b":"$SECRET"}`, []string{"column 9: there is more text"}},
		"lines of variables":  {"CLIENT_SECRET=$SECRET", []string{"line 1, column 1: "}},
		"a value missing":     {`{"a":,"b":"$SECRET"}`, []string{"column 6: a comma too many"}},
		"escaped too often":   {`{\"client_id\":\"$ID\"}`, []string{"column 2: a backslash outside of a text"}},
		"a bad escape":        {`{"a":"$SECRET\p"}`, []string{"column 28: a backslash begins no escape"}},
		"a no-break space":    {"{\"a\":\u00a01}", []string{"column 6: an invisible character"}},
		"a mark is no column": {"\uFEFF{x}", []string{"line 1, column 2: "}},
		"in quotes":           {`"{\"a\":\n'$SECRET'}"`, []string{"inside its outer quotation marks at line 2, column 1: a single"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := read(t.Context(), fill(tt.text))
			if kind(err) != credentials.SecretInvalid {
				t.Fatalf("error = %v, want SecretInvalid", err)
			}
			for _, want := range append(tt.want, "is not valid JSON") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			for _, part := range []string{theSecret[:8], theID[:8], "hunter", "client_", "CLIENT"} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("error %q quotes the text: %q", err, part)
				}
			}
		})
	}
}
