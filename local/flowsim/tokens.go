package flowsim

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"
)

// TokenPrefix begins every access token.
const TokenPrefix = "flowsim-token-"

type token struct {
	orgID   string
	expires time.Time
}

// RotateSecret sets the secrets that are valid from now on, and revokes the
// org's tokens.
func (s *Server) RotateSecret(orgID string, secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orgs[orgID].Secrets = secrets
	revoke(s, orgID)
}

// RevokeTokens makes all tokens of an org invalid.
func (s *Server) RevokeTokens(orgID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	revoke(s, orgID)
}

func revoke(s *Server, orgID string) {
	for text, t := range s.tokens {
		if t.orgID == orgID {
			delete(s.tokens, text)
		}
	}
}

// token is IMS: OAuth server-to-server, form in the body, scopes by commas.
func (c *call) token() (int, any) {
	c.w.Header().Set("X-Debug-Id", c.requestID)
	refuse := func(status int, code, description string) (int, any) {
		return status, map[string]string{"error": code, "error_description": description}
	}
	media, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	switch {
	case c.r.Method != http.MethodPost:
		return refuse(http.StatusMethodNotAllowed, "invalid_request", "method not allowed")
	case c.r.URL.RawQuery != "":
		return refuse(http.StatusBadRequest, "invalid_request", "parameters belong in the body")
	case media != "application/x-www-form-urlencoded" || c.r.ParseForm() != nil:
		return refuse(http.StatusBadRequest, "invalid_request", "want a form")
	case c.r.PostForm.Get("grant_type") != "client_credentials":
		return refuse(http.StatusBadRequest, "unsupported_grant_type", "unsupported grant_type")
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, org := range c.s.orgs {
		if org.ClientID != c.r.PostForm.Get("client_id") {
			continue
		}
		if !slices.Contains(org.Secrets, c.r.PostForm.Get("client_secret")) {
			return refuse(http.StatusUnauthorized, "invalid_client", "invalid client_secret parameter")
		}
		for scope := range strings.SplitSeq(c.r.PostForm.Get("scope"), ",") {
			if !slices.Contains(org.Scopes, scope) {
				return refuse(http.StatusBadRequest, "invalid_scope", "Invalid scope requested")
			}
		}
		text := TokenPrefix + rand.Text()
		c.s.tokens[text] = token{orgID: org.ID, expires: c.s.now().Add(c.s.lifetime)}
		return http.StatusOK, map[string]any{"access_token": text, "token_type": "bearer", "expires_in": int(c.s.lifetime.Seconds())}
	}
	return refuse(http.StatusBadRequest, "invalid_client", "invalid client_id parameter")
}
