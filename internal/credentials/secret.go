package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// secret is one IMS OAuth server-to-server credential as it is stored in
// Secrets Manager: a JSON object.
type secret struct {
	clientID     string
	clientSecret string
	orgID        string
	scopes       []string
	sandbox      string
}

// equal reports whether both secrets would make the same account.
func (s secret) equal(o secret) bool {
	return s.clientID == o.clientID && s.clientSecret == o.clientSecret && s.orgID == o.orgID &&
		s.sandbox == o.sandbox && strings.Join(s.scopes, ",") == strings.Join(o.scopes, ",")
}

// parseSecret reads the secret's text. The error names every field that is
// wrong and never a value, nor any of the text: a JSON error would quote it.
func parseSecret(text string) (secret, error) {
	var raw struct {
		ClientID     json.RawMessage `json:"client_id"`
		ClientSecret json.RawMessage `json:"client_secret"`
		OrgID        json.RawMessage `json:"org_id"`
		Scopes       json.RawMessage `json:"scopes"`
		Sandbox      json.RawMessage `json:"sandbox"`
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return secret{}, errors.New("is not a JSON object with client_id, client_secret, org_id and scopes")
	}
	var s secret
	var problems []error
	s.clientID = field(&problems, "client_id", raw.ClientID, true)
	s.clientSecret = field(&problems, "client_secret", raw.ClientSecret, true)
	s.orgID = field(&problems, "org_id", raw.OrgID, true)
	s.sandbox = field(&problems, "sandbox", raw.Sandbox, false)
	s.scopes = scopes(&problems, raw.Scopes)
	if s.orgID != "" && !strings.HasSuffix(s.orgID, "@AdobeOrg") {
		problems = append(problems, errors.New(`field org_id must end in "@AdobeOrg"`))
	}
	return s, errors.Join(problems...)
}

func field(problems *[]error, name string, raw json.RawMessage, required bool) string {
	var value string
	if len(raw) > 0 && json.Unmarshal(raw, &value) != nil {
		*problems = append(*problems, fmt.Errorf("field %s must be a string", name))
		return ""
	}
	value = strings.TrimSpace(value)
	if value == "" && required {
		*problems = append(*problems, fmt.Errorf("field %s is missing or empty", name))
	}
	return value
}

// scopes accepts a comma-separated string or a list of strings.
func scopes(problems *[]error, raw json.RawMessage) []string {
	var list []string
	if len(raw) > 0 && json.Unmarshal(raw, &list) != nil {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			*problems = append(*problems, errors.New("field scopes must be a comma-separated string or a list of strings"))
			return nil
		}
		list = strings.Split(text, ",")
	}
	var kept []string
	for _, scope := range list {
		if scope = strings.TrimSpace(scope); scope != "" {
			kept = append(kept, scope)
		}
	}
	if len(kept) == 0 {
		*problems = append(*problems, errors.New("field scopes is missing or empty"))
	}
	return kept
}
