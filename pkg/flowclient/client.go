// Package flowclient calls Adobe Experience Platform's Flow Service: it
// re-triggers failed runs of dataflows, reads runs and reads dataflows, with
// access tokens from Adobe's IMS.
//
// A [Client] speaks for one org. The sandbox is named in every call.
//
// # When a request is repeated
//
// Flow Service has no idempotency key, so a re-trigger is sent again only when
// the first request certainly had no effect:
//
//   - No connection came about for it (name look-up, dial, proxy, TLS), or the other side
//     had closed the idle one before, so not one byte of it was sent: after a backoff, up
//     to the limit of [WithMaxAttempts].
//   - Adobe says with a 5xx that it could not begin, since it could not look up the
//     sandbox or check the token (2102, 2104, 2107, 2108, 2116, 2117): likewise.
//   - Adobe refused the credential (status 401, or a code of package aepcodes that
//     means so, such as 403003, FLOW-2115 or 1001-401): at once, a single time, with
//     a fresh token.
//   - Adobe refused the spelling of op with a 400 (1333, 1398, 1401, 1434, or a text
//     that names the operation, with no code or one that says no more), and no spelling
//     is known to work: at once, a single time, in the other spelling; see [WithOp].
//
// The second request begins only while a whole call still fits before the context's
// deadline; otherwise the cause of the error is [ErrNoTime]. Anything else ends the
// call. A throttled re-trigger (429) is not repeated here: the error says how long to
// wait. Any failure after the request may have left (time-out, reset, any other 5xx,
// an answer that can't be read or names no new run) is [KindUnknownOutcome], and
// [Error.MayHaveTakenEffect] reports true.
//
// Reads are repeated after a refused credential likewise, and after transient
// failures and throttling with backoff and jitter, up to the limit of
// [WithMaxAttempts]. Retry-After is waited for. No wait begins that would be
// longer than [MaxRetryWait] or go past the context's deadline; the last
// failure is returned instead. A listing whose answer is above [MaxAnswer] is asked
// for again in smaller pages; see [RunPage.Limit].
//
// Token requests are repeated after transient failures only; see [IMS].
//
// With [WithLimiter] each request to Flow Service waits for its turn. Where that
// would take too long, nothing is sent and the error is [KindThrottled], without a
// status.
//
// # Time and connections
//
// Each request, its answer included, is limited by [WithCallTimeout] and by the
// context. Redirects are not followed. Answers are read up to a limit.
//
// A connection that the other side has closed, or that has died, leaves the outcome of a
// re-trigger unknown. So connections are kept for reuse, but shortly ([IdleTimeout]), and
// the client speaks HTTP/1.1: a dead connection costs one call. Before a re-trigger, idle
// connections are closed if no request has been answered for [IdleTimeout], by the wall
// clock: timers may stand still while a process is frozen. So they are before the request
// after one whose answer did not come. [Client.Connect] opens a connection ahead.
//
// # Errors
//
// Every failure of a call is an [*Error]; errors.Is(err, [KindThrottled]) and
// the like tell what to do about it, and [Error.Catalog] what Adobe's code means.
// Secrets and tokens appear in no error, even where a server sends them back.
package flowclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// The operations that an [Error] names.
const (
	OpRetrigger = "retrigger run"
	OpRun       = "get run"
	OpRuns      = "list runs"
	OpFlow      = "get flow"
	OpFlows     = "list flows"
	// OpSourceConnection and OpTestConnection find out whether a source accepts its
	// credential.
	OpSourceConnection = "get source connection"
	OpTestConnection   = "test connection"
	OpToken            = "fetch token"
)

// MaxIDLength is the greatest length in bytes of an id, and of a sandbox's
// name, that is sent.
const MaxIDLength = 256

// Client calls Flow Service for one org. It is safe for concurrent use. Make it
// with [New].
type Client struct {
	settings

	orgID    string
	clientID string
	tokens   TokenSource
}

// New returns a client for the org (such as "…@AdobeOrg") that sends the client
// id of its credential as API key and takes its tokens from tokens, usually an
// [IMS] with the same credential. It makes no call.
func New(orgID, clientID string, tokens TokenSource, opts ...Option) (*Client, error) {
	s, err := newSettings(opts)
	if err := errors.Join(
		err,
		checkName("org id", orgID),
		checkName("client id", clientID),
	); err != nil {
		return nil, fmt.Errorf("flowclient: %w", err)
	}
	if tokens == nil {
		return nil, errors.New("flowclient: the token source is missing")
	}
	s.connect(s.http)
	return &Client{settings: s, orgID: orgID, clientID: clientID, tokens: tokens}, nil
}

// Authorize makes sure that a token is at hand, so that the next call need not
// wait for one. Its errors have the operation [OpToken].
func (c *Client) Authorize(ctx context.Context) error {
	_, err := c.token(ctx)
	return err
}

// call is one operation on Flow Service.
type call struct {
	op       string // for errors
	resource string // for errors: the id it is about
	sandbox  string
	method   string
	path     string // after the base URL, escaped
	query    url.Values
	decode   func(body []byte) error // reads a 2xx answer
	// itemOf names the object that the beginning of a too large answer is about; may be
	// nil.
	itemOf func(beginning []byte) string
	// refused is called with an answer that refuses the call; may be nil.
	refused func(answer reply, failure *Error)
}

// mutates reports whether the call must not be repeated blindly.
func (k call) mutates() bool { return k.method != http.MethodGet }

// fail returns an error of this call.
func (k call) fail(kind Kind, cause error) *Error {
	return &Error{Op: k.op, Resource: k.resource, Kind: kind, Err: cause}
}

// stop returns the error of a call that goes no further, since it has no time; nil
// without a cause.
func (k call) stop(cause error) *Error {
	if cause == nil {
		return nil
	}
	return k.fail(KindTransient, cause)
}

// refuse returns the error of a call that is not sent at all.
func (k call) refuse(cause error) *Error {
	k.resource = clip(k.resource)
	return k.fail(KindRejected, cause)
}

// do sends the call, and sends it again where the package comment says so.
func (c *Client) do(ctx context.Context, k call) error {
	if err := checkName("sandbox", k.sandbox); err != nil {
		return k.refuse(err)
	}
	renewed, retries := false, 0
	for attempt := 1; ; attempt++ {
		token, err := c.token(ctx)
		if err != nil {
			return err
		}
		done, failure := c.ready(ctx, k, attempt)
		if failure != nil {
			failure.Attempts = attempt - 1
			return failure
		}
		failure = c.exchange(ctx, k, token)
		done(failure)
		if failure == nil {
			return nil
		}
		failure.Attempts = attempt
		switch {
		case failure.Kind == KindUnauthorized && !renewed:
			renewed = true
			c.tokens.Invalidate(token)
		case failure.Kind == KindTransient, failure.Kind == KindThrottled && !k.mutates():
			retries++
			if retries >= c.maxAttempts || !c.pause(ctx, retries, failure.RetryAfter) {
				return failure
			}
		default:
			return failure
		}
	}
}

// ready waits until the call can be sent. With an error nothing may be sent.
func (c *Client) ready(ctx context.Context, k call, attempt int) (done func(*Error), failure *Error) {
	if failure := k.stop(ctx.Err()); failure != nil {
		return nil, failure
	}
	if attempt > 1 && k.mutates() {
		if failure := k.stop(c.timeForCall(ctx)); failure != nil {
			return nil, failure
		}
	}
	return c.turn(ctx, k)
}

// exchange sends the call once. Its result is nil or the failure.
func (c *Client) exchange(ctx context.Context, k call, token string) *Error {
	target := c.baseURL + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	header := http.Header{
		"Authorization":   {"Bearer " + token},
		"X-Api-Key":       {c.clientID},
		"X-Gw-Ims-Org-Id": {c.orgID},
		"X-Sandbox-Name":  {k.sandbox},
		"Accept":          {"application/json"},
	}
	if k.mutates() {
		header.Set("Content-Type", "application/json")
	}
	secrets := scrubber{token}
	begun := time.Now()
	answer, lost := c.send(ctx, k.method, target, header, nil, k.mutates())
	if c.observe != nil {
		c.observe(k.op, time.Since(begun))
	}
	switch {
	case lost != nil && lost.maybeSent && k.mutates():
		return k.fail(KindUnknownOutcome, secrets.cause(lost.err))
	case lost != nil:
		return k.fail(KindTransient, secrets.cause(lost.err))
	case !answer.ok():
		failure := c.refusal(k.op, answer, secrets)
		failure.Resource = k.resource
		failure.Kind = failure.flowKind(k.mutates())
		if k.refused != nil {
			k.refused(answer, failure)
		}
		return failure
	}
	cause := answer.err
	if cause == nil {
		if cause = k.decode(answer.body); cause == nil {
			return nil
		}
		cause = fmt.Errorf("can't read the answer: %w", cause)
	}
	failure := k.fail(answer.fault(), secrets.cause(cause))
	switch {
	case k.mutates():
		failure.Kind = KindUnknownOutcome
	case failure.Kind == KindTooLarge && k.itemOf != nil:
		failure.Resource = cmp.Or(secrets.clean(k.itemOf(answer.body), MaxIDLength), failure.Resource)
	}
	failure.Status = answer.status
	failure.RequestID = secrets.clean(requestID(answer.header), maxCode)
	return failure
}

// token returns a token that can be put in a header, or an *[Error] of
// [OpToken].
func (c *Client) token(ctx context.Context) (string, error) {
	token, err := c.tokens.Token(ctx)
	if err != nil {
		if _, ok := errors.AsType[*Error](err); ok {
			return "", err
		}
		return "", &Error{Op: OpToken, Kind: KindTransient, Err: err}
	}
	if !usableToken(token) {
		return "", &Error{Op: OpToken, Kind: KindMalformed, Message: "the token source gave no usable token"}
	}
	return token, nil
}
