package credentials_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
)

// member is a field of an object whose order the test chooses.
type member struct {
	name  string
	value any
}

type object []member

func (o object) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	for i, m := range o {
		if i > 0 {
			b.WriteString(",\n\t")
		}
		b.WriteString(encode(m.name) + ": " + encode(m.value))
	}
	return []byte("{" + b.String() + "}"), nil
}

// encode writes what is known to be writable as JSON.
func encode(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// drawn is a credential.
type drawn struct {
	clientID, org, sandbox string
	secrets, scopes        []string
}

func drawCredential(t *rapid.T) drawn {
	return drawn{
		clientID: rapid.StringMatching(`[0-9a-f]{32}`).Draw(t, "client id"),
		org:      rapid.StringMatching(`[0-9A-F]{24}@AdobeOrg`).Draw(t, "org"),
		sandbox:  rapid.SampledFrom([]string{"", "prod", "dev-2", "Stage1"}).Draw(t, "sandbox"),
		secrets:  rapid.SliceOfNDistinct(rapid.StringMatching(`p8e-[A-Za-z0-9_-]{20,32}`), 1, 4, rapid.ID).Draw(t, "client secrets"),
		scopes: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
			"openid", "AdobeID", "read_organizations", "additional_info.projectedProductContext", "session", "acp.foundation",
		}), 1, 6, rapid.ID).Draw(t, "scopes"),
	}
}

// ours is the credential in our own spelling.
func (d drawn) ours() object {
	return object{{"client_id", d.clientID}, {"client_secret", d.secrets}, {"org_id", d.org}, {"scopes", d.scopes}, {"sandbox", d.sandbox}}
}

// spelled is the credential as one of Adobe's tools, or a person's script, writes it.
func (d drawn) spelled(t *rapid.T) object {
	name := func(base ...string) string {
		words := strings.Split(rapid.SampledFrom(base).Draw(t, "name"), " ")
		if len(words) == 1 || words[0] != "x" {
			words = append(strings.Fields(rapid.SampledFrom([]string{"", "", "adobe", "aep", "ims", "aio", "oauth", "ims oauth s2s"}).Draw(t, "prefix")), words...)
		}
		switch rapid.SampledFrom([]string{"snake", "kebab", "UPPER", "camel", "Pascal", "spaced"}).Draw(t, "case") {
		case "kebab":
			return strings.Join(words, "-")
		case "UPPER":
			return strings.ToUpper(strings.Join(words, "_"))
		case "camel":
			return words[0] + strings.Join(titles(words[1:]), "")
		case "Pascal":
			return strings.Join(titles(words), "")
		case "spaced":
			return strings.Join(titles(words), " ")
		default:
			return strings.Join(words, "_")
		}
	}
	secretName, scopesName := name("client secret", "client secrets", "secret"), name("scopes", "scope")
	var secrets, scopes any = d.secrets, d.scopes
	switch rapid.IntRange(0, 3).Draw(t, "secrets as") {
	case 0:
		secrets = encode(d.secrets) // a list in a text
	case 1:
		if len(d.secrets) == 1 {
			secrets = "  " + d.secrets[0] + "\n"
		}
	case 2:
		list := []object{}
		for i, text := range d.secrets { // the newest first, then shuffled
			list = append(list, object{{"uuid", "u"}, {"client_secret", text}, {"created_at", 1_790_000_000 - i*1000}})
		}
		secrets = rapid.Permutation(list).Draw(t, "order of secrets")
	}
	switch rapid.IntRange(0, 3).Draw(t, "scopes as") {
	case 0:
		scopes = strings.Join(d.scopes, ", ")
	case 1:
		scopes = strings.Join(d.scopes, " ")
	case 2:
		scopes = encode(d.scopes)
	}
	o := object{{name("client id", "api key", "x api key"), d.clientID}, {secretName, secrets}, {name("org id", "ims org", "ims org id", "x gw ims org id", "organization id"), d.org}, {scopesName, scopes}}
	if d.sandbox != "" {
		o = append(o, member{name("sandbox", "sandbox name", "x sandbox name"), d.sandbox})
	}
	return o
}

func titles(words []string) []string {
	upper := slices.Clone(words)
	for i, word := range upper {
		upper[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return upper
}

// decoys are fields that mean nothing to us.
func decoys(t *rapid.T) object {
	all := object{
		{"technical_account_id", "7F@techacct.adobe.com"},
		{"technical_account_email", "a@techacct.adobe.com"},
		{"access_token", "eyJhbGciOi"},
		{"id", "4"},
		{"name", "Credential in project"},
		{"title", "client_secret"},
		{"environment", "prod"},
		{"ssl_verification", true},
		{"project", object{{"id", "12"}, {"org", object{{"id", "2"}, {"name", "Acme"}}}}},
		{"expires_in", 86399},
		{"IMS", "ims-na1.adobelogin.com"},
		{"services", []object{{{"code", "AEPSDK"}, {"name", "Experience Platform"}}}},
		{"notes", []string{"sandbox", "org"}},
		{"TENANT", nil},
		{"jwt", object{{"client_id", "another"}, {"client_secret", "other"}, {"meta_scopes", []string{"m"}}}},
		{"api_key_credential", object{{"integration_type", "apikey"}, {"client_id", "another"}}},
		{"CONTAINER_ID", "global"},
		{"oauth_enabled", true},
	}
	return object(rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, 5, func(m member) string { return m.name }).Draw(t, "decoys"))
}

// wrapped puts the credential into a file as Adobe's tools write them, and the file
// into quotation marks or behind a byte order mark.
func wrapped(t *rapid.T, o object) string {
	o = rapid.Permutation(append(o, decoys(t)...)).Draw(t, "order")
	var file any = o
	switch rapid.SampledFrom([]string{"flat", "flat", "postman", "values", "aio", "console", "list", "text"}).Draw(t, "file") {
	case "postman":
		file = object{{"id", "1"}, {"name", "AEP"}, {"values", pairs(t, o)}, {"_postman_variable_scope", "environment"}}
	case "values":
		file = pairs(t, o)
	case "aio":
		file = object{{"ims", object{{"contexts", object{{"ctx", o}, {"cli", object{{"client_id", "aio-cli"}, {"access_token", object{{"token", "x"}}}}}}}}}}
	case "console":
		key := object{{"id", "1"}, {"integration_type", "apikey"}, {"api_key", object{{"client_id", "another"}}}}
		own := object{{"id", "2"}, {"integration_type", "oauth_server_to_server"}, {"oauth_server_to_server", o}}
		file = object{{"project", object{{"id", "3"}, {"org", object{{"id", "4"}, {"name", "Acme"}}}, {"workspace", object{{"details", object{{"credentials", rapid.Permutation([]object{key, own}).Draw(t, "credentials")}}}}}}}}
	case "list":
		file = []object{o}
	case "text":
		file = object{{"value", encode(o)}}
	}
	text := encode(file)
	if rapid.Bool().Draw(t, "Windows") {
		text = strings.ReplaceAll(text, ",", ",\r\n\t")
		if !json.Valid([]byte(text)) { // a comma within a text
			text = encode(file)
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "quotes") {
		text = encode(text)
	}
	return rapid.SampledFrom([]string{"", "\uFEFF", " \n", "\r\n\uFEFF "}).Draw(t, "before") + text + rapid.SampledFrom([]string{"", "\n", "\r\n"}).Draw(t, "after")
}

// pairs is a list of Postman's variables.
func pairs(t *rapid.T, o object) []object {
	list := []object{{{"key", "client_secret"}, {"value", "disabled"}, {"enabled", false}}}
	for _, m := range o {
		list = append(list, object{{"key", m.name}, {"value", m.value}, {"type", "secret"}, {"enabled", true}})
	}
	return rapid.Permutation(list).Draw(t, "variables")
}

func TestEachSpellingOfASecretGivesTheSameAccount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawCredential(t)
		want, err := read(t.Context(), encode(d.ours()))
		if err != nil {
			t.Fatal(err)
		}
		text := wrapped(t, d.spelled(t))
		got, err := read(t.Context(), text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-our spelling +this one):\n%s\n%s", diff, text)
		}
	})
}

func TestOurSpellingWinsOverOthersWithOtherValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d, other := drawCredential(t), drawCredential(t)
		d.sandbox = "prod"
		others := slices.DeleteFunc(other.spelled(t), func(m member) bool {
			return slices.Contains([]string{"client_id", "client_secret", "org_id", "scopes", "sandbox"}, m.name)
		})
		both := encode(rapid.Permutation(append(d.ours(), others...)).Draw(t, "order"))
		want, err := read(t.Context(), encode(d.ours()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(t.Context(), both); err != nil || !cmp.Equal(want, got) {
			t.Fatalf("%+v, %v\n%s", got, err, both)
		}
	})
}

// TestNoErrorShowsAnyPartOfASecret: The test breaks secrets as people do, and in stranger
// ways.
func TestNoErrorShowsAnyPartOfASecret(t *testing.T) {
	t.Parallel()
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		d := drawCredential(t)
		o := d.spelled(t)
		i := rapid.IntRange(0, len(o)-1).Draw(t, "field")
		switch rapid.SampledFrom([]string{"left out", "misspelled", "swapped", "another type", "twice", "other values", "nothing"}).Draw(t, "fault") {
		case "left out":
			o = slices.Delete(o, i, i+1)
		case "misspelled":
			at := rapid.IntRange(0, len(o[i].name)-1).Draw(t, "letter")
			o[i].name = o[i].name[:at] + rapid.SampledFrom([]string{"", "x", "_", "my"}).Draw(t, "slip") + o[i].name[at+1:]
		case "swapped":
			if text, ok := o[i].value.(string); ok {
				o[i].name, o[i].value = text, o[i].name
			}
		case "another type":
			o[i].value = rapid.SampledFrom([]any{7, true, nil, object{{d.secrets[0], d.org}}, []any{1, d.secrets[0]}}).Draw(t, "value")
		case "twice":
			o = append(o, member{o[i].name, d.clientID + d.secrets[0]})
		case "other values":
			o[i].value = rapid.SampledFrom([]string{d.secrets[0] + "\n" + d.clientID, d.org[:24], "“" + d.secrets[0] + "”", d.secrets[0] + "/" + d.org}).Draw(t, "value")
		}
		text := wrapped(t, o)
		switch at := rapid.IntRange(0, len(text)-1).Draw(t, "at"); rapid.SampledFrom([]string{"whole", "cut", "byte lost", "byte added", "quotes"}).Draw(t, "text") {
		case "cut":
			text = text[:at]
		case "byte lost":
			text = text[:at] + text[at+1:]
		case "byte added":
			text = text[:at] + rapid.SampledFrom([]string{",", "\"", "}", "'", "”", "\\", "\x00", "\xff", "/"}).Draw(t, "byte") + text[at:]
		case "quotes":
			text = strings.Replace(text, `"`, "“", 1)
		}
		_, err := read(t.Context(), text)
		if err == nil {
			return
		}
		refused++
		if kind(err) != credentials.SecretInvalid {
			t.Fatalf("error = %v, want SecretInvalid", err)
		}
		for _, secret := range append(slices.Clone(d.secrets), d.clientID, d.org) {
			for from := 0; from+8 <= len(secret) && from < 24; from++ {
				if part := secret[from : from+8]; part != "AdobeOrg" && strings.Contains(err.Error(), part) {
					t.Fatalf("the error has %q of %q:\n%v\n%s", part, secret, err, text)
				}
			}
		}
	})
	if refused == 0 {
		t.Error("no secret was refused")
	}
}

func TestTwoValuesOfOnePartAreRefusedWithBothNames(t *testing.T) {
	t.Parallel()
	names := map[string][2]string{
		"client_id": {"API_KEY", "clientId"}, "client_secret": {"secret", "CLIENT-SECRET"}, "org_id": {"imsOrgId", "IMS_ORG"},
		"scopes": {"SCOPES", "scope"}, "sandbox": {"sandbox-name", "SANDBOX_NAME"},
	}
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom(slices.Sorted(maps.Keys(names))).Draw(t, "part")
		other := map[string]any{"client_id": "x", "client_secret": "y", "org_id": "1@AdobeOrg", "scopes": "z", "sandbox": "other"}[part]
		d := drawCredential(t)
		d.sandbox = "prod"
		o := d.ours()
		i := slices.IndexFunc(o, func(m member) bool { return m.name == part })
		o[i].name = names[part][0]
		text := wrapped(t, append(o, member{names[part][1], other}))
		_, err := read(t.Context(), text)
		if kind(err) != credentials.SecretInvalid || !strings.Contains(err.Error(), encode(names[part][0])) || !strings.Contains(err.Error(), encode(names[part][1])) {
			t.Fatalf("error = %v, want one that names %q\n%s", err, names[part], text)
		}
	})
}
