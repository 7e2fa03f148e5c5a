package flowclient

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Defaults, and limits that are not settable.
const (
	// DefaultBaseURL is Flow Service in production.
	DefaultBaseURL = "https://platform.adobe.io/data/foundation/flowservice"
	// DefaultIMSURL is Adobe's token service.
	DefaultIMSURL = "https://ims-na1.adobelogin.com"
	// DefaultOp finds out which spelling of the op parameter Adobe accepts; see
	// [WithOp].
	DefaultOp = OpAuto
	// DefaultCallTimeout limits one request and its answer.
	DefaultCallTimeout = 15 * time.Second
	// DefaultMaxAttempts is how often a request is sent at most where repeating
	// it is safe.
	DefaultMaxAttempts = 4
	// MaxRetryWait is the longest wait within a call. A longer Retry-After ends
	// the call and is left to the caller.
	MaxRetryWait = 30 * time.Second
	// MaxRetryAfter caps what is reported as [Error.RetryAfter].
	MaxRetryAfter = time.Hour
	// IdleTimeout is how long a connection may be unused and still be trusted with a
	// re-trigger, by the wall clock. It is much shorter than the usual 60 seconds of
	// gateways, so that the client is the side that closes.
	IdleTimeout = 5 * time.Second

	backoffBase = 200 * time.Millisecond
	backoffMax  = 5 * time.Second

	idlePerHost = 16 // connections; enough for a concurrent batch
	// sessions are the TLS sessions that are kept: a new connection to a host that is known
	// takes a fraction of the CPU time.
	sessions = 16

	userAgent = "aep-flowclient/0.1"
)

// Option is a setting of [New] and [NewIMS]; both take all options, so that one
// list serves for both. A wrong value is reported by them.
type Option func(*settings)

// WithBaseURL sets the address of Flow Service. The default is
// [DefaultBaseURL]. It must be https, except on a loopback host.
func WithBaseURL(address string) Option { return func(s *settings) { s.baseURL = address } }

// WithIMSURL sets the address of IMS. The default is [DefaultIMSURL]. It must
// be https, except on a loopback host.
func WithIMSURL(address string) Option { return func(s *settings) { s.imsURL = address } }

// WithOp sets the op parameter of a re-trigger: [SpellingTutorial], [SpellingOpenAPI],
// or [OpAuto], which is the default and finds out which of the two Adobe accepts.
func WithOp(op string) Option { return func(s *settings) { s.op = op } }

// WithAcceptedOp lets clients share the knowledge which spelling of op Adobe accepts.
// The default is that each client finds out for itself. It counts with [OpAuto] only.
func WithAcceptedOp(shared *AcceptedOp) Option { return func(s *settings) { s.accepted = shared } }

// WithHTTPClient sets the HTTP client. It is copied, and the copy follows no
// redirects. The default is a client of its own with HTTP/1.1, TLS 1.2 or later and the
// environment's proxy. A transport that is no *[http.Transport] must honor
// [net/http/httptrace] for failed connections to be told from lost answers;
// without that, every failure of a re-trigger has an unknown outcome.
//
// The client closes idle connections of its transport, by CloseIdleConnections, when it does
// not trust them; see the package comment. An IdleConnTimeout of [IdleTimeout] does so for
// each connection by itself. With HTTP/2 a connection that dies takes all calls with it that
// are under way.
func WithHTTPClient(client *http.Client) Option { return func(s *settings) { s.http = client } }

// WithIMSHTTPClient sets the HTTP client of calls to IMS alone, for which it counts more than
// [WithHTTPClient]. Several [IMS] may share one; with the transport of [NewTransport] a caller
// can open a connection before the credential is known.
func WithIMSHTTPClient(client *http.Client) Option {
	return func(s *settings) { s.httpIMS = client }
}

// WithUserAgent puts the caller's "name/version" in front of the User-Agent.
func WithUserAgent(product string) Option {
	return func(s *settings) { s.userAgent = product + " " + userAgent }
}

// WithCallTimeout limits one request with its answer, and one token refresh
// with its retries. The default is [DefaultCallTimeout].
func WithCallTimeout(limit time.Duration) Option { return func(s *settings) { s.callTimeout = limit } }

// WithMaxAttempts sets how often a request is sent at most where repeating it
// is safe. The default is [DefaultMaxAttempts]; 1 means no retries. The one
// repetition with a fresh token does not count.
func WithMaxAttempts(n int) Option { return func(s *settings) { s.maxAttempts = n } }

// WithBackoff sets the wait before retry 1, 2 and so on. The default doubles
// from 200 milliseconds up to 5 seconds, of which between the half and the whole is waited, at random.
func WithBackoff(wait func(retry int) time.Duration) Option {
	return func(s *settings) { s.backoff = wait }
}

// WithLimiter sets what paces the requests to Flow Service, those that are
// repeated included. Token requests are not paced. The default is none.
func WithLimiter(l Limiter) Option { return func(s *settings) { s.limiter = l } }

// WithObserver sets what is told of each request to Flow Service when it has ended: its
// operation, such as [OpRetrigger], and how long it took until the answer was read, or
// until it failed. Neither the wait for a [Limiter] nor that for a token counts. It must be
// safe for concurrent use. The default is none.
func WithObserver(observe func(op string, took time.Duration)) Option {
	return func(s *settings) { s.observe = observe }
}

// WithClock sets the clock that judges the age of tokens and of connections, and the dates
// in Retry-After. The default is [time.Now].
//
// Rule 25: only the wall clock's reading counts. The monotonic clock may stand still while
// a process is frozen or a machine sleeps, and a token that has ended, or a connection that
// was closed, would look young.
func WithClock(now func() time.Time) Option {
	return func(s *settings) {
		if s.now = now; now != nil {
			s.now = func() time.Time { return now().Round(0) }
		}
	}
}

// settings is what the options set.
type settings struct {
	baseURL, imsURL string
	op              string
	accepted        *AcceptedOp
	userAgent       string
	callTimeout     time.Duration
	maxAttempts     int
	backoff         func(retry int) time.Duration
	now             func() time.Time
	http, httpIMS   *http.Client
	trust           *trust
	limiter         Limiter                             // may be nil
	observe         func(op string, took time.Duration) // may be nil
}

func newSettings(opts []Option) (settings, error) {
	s := settings{
		baseURL: DefaultBaseURL, imsURL: DefaultIMSURL, op: DefaultOp, accepted: new(AcceptedOp), userAgent: userAgent,
		callTimeout: DefaultCallTimeout, maxAttempts: DefaultMaxAttempts,
		backoff: jittered, now: func() time.Time { return time.Now().Round(0) }, trust: new(trust),
	}
	for _, opt := range opts {
		opt(&s)
	}
	base, errBase := checkURL("base URL", s.baseURL)
	ims, errIMS := checkURL("IMS URL", s.imsURL)
	err := errors.Join(
		errBase, errIMS,
		check(slices.Contains([]string{OpAuto, SpellingTutorial, SpellingOpenAPI}, s.op), "the op must be auto, re-trigger or RE_TRIGGER"),
		check(s.accepted != nil, "the memory of the accepted op is missing"),
		check(s.callTimeout > 0, "the call timeout is not positive"),
		check(s.maxAttempts > 0, "the number of attempts is not positive"),
		check(s.backoff != nil, "the backoff is missing"),
		check(s.now != nil, "the clock is missing"),
		check(!strings.ContainsFunc(s.userAgent, unicode.IsControl), "the user agent has control characters in it"),
	)
	if err != nil {
		return settings{}, err
	}
	s.baseURL, s.imsURL = base, ims
	return s, nil
}

// connect gives the settings the HTTP client that is theirs alone: a copy of the one that was
// set, or one with the usual transport. It follows no redirects.
func (s *settings) connect(set *http.Client) {
	client := http.Client{}
	if set != nil {
		client = *set
	} else {
		client.Transport = NewTransport()
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.http = &client
}

// NewTransport returns the transport that a client has unless it is given another: the standard one with HTTP/1.1, TLS 1.2 or later, and connections that
// are not kept longer than they can be trusted: net/http compares the wall clock, too, when
// it takes an idle connection.
//
// It does not speak HTTP/2, where one connection carries all calls: if it dies, each call
// that is under way has an unknown outcome. With HTTP/1.1 a connection carries one call.
func NewTransport() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	t.TLSClientConfig.MinVersion = tls.VersionTLS12
	t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	t.TLSClientConfig.NextProtos = nil // the standard one has those of HTTP/2 once it was used
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.MaxIdleConnsPerHost = idlePerHost
	t.IdleConnTimeout = IdleTimeout
	return t
}

// jittered is the default backoff: between the half and the whole of a doubling
// wait, at random.
func jittered(retry int) time.Duration {
	wait := backoffMax
	if doublings := retry - 1; doublings < 10 {
		wait = min(backoffBase<<doublings, backoffMax)
	}
	return wait/2 + rand.N(wait/2) //nolint:gosec // jitter
}
