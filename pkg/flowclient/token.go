package flowclient

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// TokenMargin is how long before its end a token is no longer used: longer
	// than a call takes.
	TokenMargin = time.Minute
	// MaxTokenLifetime caps what IMS says of a token's lifetime.
	MaxTokenLifetime = 24 * time.Hour

	// millisFrom is the expires_in from which on it must be milliseconds, as the
	// endpoint of the former JWT credentials sends.
	millisFrom = 1_000_000
)

// TokenSource gives access tokens. It must be safe for concurrent use.
type TokenSource interface {
	// Token returns a usable access token; at most one refresh is under way
	// however many callers.
	Token(ctx context.Context) (string, error)
	// Invalidate drops the given token if it is still the cached one, so that
	// the next Token fetches afresh.
	Invalidate(token string)
}

// Credentials are an OAuth server-to-server credential of an Adobe Developer
// Console project. Printed, logged or encoded as JSON they show no secret.
type Credentials struct {
	ClientID     string
	ClientSecret string `json:"-"`
	// Scopes are those that the Developer Console lists for the credential. An
	// element may hold several, separated by commas.
	Scopes []string
}

// String returns the client id.
func (c Credentials) String() string {
	return "IMS credential of client " + c.ClientID
}

// Format writes the same as String whatever the verb.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue returns the same as String.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// IMS fetches access tokens from Adobe's Identity Management System with the
// client credentials grant, and caches one. It is safe for concurrent use. Make
// it with [NewIMS].
//
// A token is used until [TokenMargin] before its end, or for half its lifetime
// if that is shorter. However many callers wait for a token, one refresh is
// under way at a time; it does not end with the caller that caused it, but has
// the time limit of [WithCallTimeout], while each caller waits no longer than
// its own context. Within the limit, transient failures are retried like reads.
// Failures are not cached.
//
// The request is POST /ims/token/v3 with a form in the body and never in the
// URL, which is what gets logged.
type IMS struct {
	settings

	clientID string
	secret   hidden
	scope    string

	flight singleflight.Group

	mu    sync.Mutex
	token hidden
	until time.Time // the token is good
}

// hidden is a text that fmt can't print, as it could even through [IMS.Format]
// when an IMS is in an unexported field.
type hidden func() string

func hide(text string) hidden { return func() string { return text } }

var _ TokenSource = (*IMS)(nil)

// NewIMS returns a token source for the credential. It makes no call.
func NewIMS(c Credentials, opts ...Option) (*IMS, error) {
	s, err := newSettings(opts)
	scopes := strings.FieldsFunc(strings.Join(c.Scopes, ","), func(r rune) bool { return r == ',' || r == ' ' })
	if err := errors.Join(
		err,
		checkName("client id", c.ClientID),
		check(c.ClientSecret != "", "the client secret is empty"),
		check(len(scopes) > 0, "there are no scopes"),
	); err != nil {
		return nil, fmt.Errorf("flowclient: %w", err)
	}
	s.connect(cmp.Or(s.httpIMS, s.http))
	return &IMS{settings: s, clientID: c.ClientID, secret: hide(c.ClientSecret), scope: strings.Join(scopes, ","), token: hide("")}, nil
}

// String returns the client id.
func (s *IMS) String() string { return "IMS tokens for client " + s.clientID }

// Format writes the same as String whatever the verb.
func (s *IMS) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// Token returns the cached token or a fresh one. Its errors are *[Error] with
// the operation [OpToken].
func (s *IMS) Token(ctx context.Context) (string, error) {
	if token := s.cached(); token != "" {
		return token, nil
	}
	if err := ctx.Err(); err != nil {
		return "", tokenError(KindTransient, err)
	}
	fresh := s.flight.DoChan("", func() (any, error) {
		if token := s.cached(); token != "" { // of a refresh that ended just now
			return token, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.callTimeout)
		defer cancel()
		return s.refresh(ctx)
	})
	select {
	case <-ctx.Done():
		return "", tokenError(KindTransient, ctx.Err())
	case result := <-fresh:
		if result.Err != nil {
			return "", result.Err
		}
		token, _ := result.Val.(string)
		return token, nil
	}
}

// Invalidate drops the token if it is the cached one.
func (s *IMS) Invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token() == token {
		s.token = hide("")
	}
}

func (s *IMS) cached() string {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.until) {
		return s.token()
	}
	return ""
}

// refresh fetches a token and caches it.
func (s *IMS) refresh(ctx context.Context) (string, error) {
	for attempt := 1; ; attempt++ {
		asked := s.now()
		token, lifetime, failure := s.fetch(ctx)
		if failure == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.token, s.until = hide(token), asked.Add(lifetime-min(TokenMargin, lifetime/2))
			return token, nil
		}
		failure.Attempts = attempt
		if failure.Kind != KindTransient || attempt >= s.maxAttempts || !s.pause(ctx, attempt, failure.RetryAfter) {
			return "", failure
		}
	}
}

// fetch asks IMS for a token once.
func (s *IMS) fetch(ctx context.Context) (token string, lifetime time.Duration, failure *Error) {
	form := url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {s.clientID},
		"client_secret": {s.secret()},
		"scope":         {s.scope},
	}
	header := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"},
		"Accept":       {"application/json"},
	}
	secrets := scrubber{s.secret()}
	answer, lost := s.send(ctx, http.MethodPost, s.imsURL+"/ims/token/v3", header, strings.NewReader(form.Encode()), false) // two tokens are no harm
	switch {
	case lost != nil:
		return "", 0, tokenError(KindTransient, secrets.cause(lost.err))
	case !answer.ok(), refusesIn(answer):
		failure = s.refusal(OpToken, answer, secrets)
		failure.Kind = failure.imsKind()
		return "", 0, failure
	}
	token, lifetime, problem := readToken(answer)
	if problem == nil {
		return token, lifetime, nil
	}
	failure = tokenError(answer.fault(), secrets.cause(problem))
	if failure.Kind == KindTooLarge {
		failure.Kind = KindMalformed // no token is that long
	}
	failure.Status, failure.RequestID = answer.status, secrets.clean(requestID(answer.header), maxCode)
	return "", 0, failure
}

// refusesIn reports whether a 2xx answer of IMS is a refusal all the same:
// {"error":"invalid_client","error_description":"…"}, with no token in it.
func refusesIn(answer reply) bool {
	var fields struct {
		Token string `json:"access_token"`
	}
	return answer.err == nil && json.Unmarshal(answer.body, &fields) == nil && fields.Token == "" && parseRefusal(answer.body).code != ""
}

// readToken reads a 2xx answer of IMS. Its errors quote nothing of it.
func readToken(answer reply) (token string, lifetime time.Duration, err error) {
	if answer.err != nil {
		return "", 0, answer.err
	}
	var fields struct {
		Token     string `json:"access_token"`
		Type      string `json:"token_type"`
		ExpiresIn Count  `json:"expires_in"`
	}
	switch err := json.Unmarshal(answer.body, &fields); {
	case err != nil:
		return "", 0, errors.New("the answer is not a token in JSON")
	case !usableToken(fields.Token):
		return "", 0, errors.New("the answer has no usable access_token")
	case fields.Type != "" && !strings.EqualFold(fields.Type, "bearer"):
		return "", 0, errors.New("the answer's token_type is not bearer")
	case fields.ExpiresIn <= 0:
		return "", 0, errors.New("the answer has no positive expires_in")
	}
	unit := time.Second
	if fields.ExpiresIn > millisFrom {
		unit = time.Millisecond
	}
	return fields.Token, time.Duration(min(fields.ExpiresIn, Count(MaxTokenLifetime/unit))) * unit, nil
}

// usableToken reports whether a token can be put in a header.
func usableToken(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

func tokenError(kind Kind, cause error) *Error {
	return &Error{Op: OpToken, Kind: kind, Err: cause}
}
