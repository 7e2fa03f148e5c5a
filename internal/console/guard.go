package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
)

// tokenParameter is the name of the token in the first address.
const tokenParameter = "token"

// guard lets only those read who had the first address, and only by a browser that means
// this console:
//
//   - The token of the first address works once. The browser has a cookie then, which no
//     script can read and which no other site's page sends along.
//   - The Host header must name this listener. A page of another site whose name suddenly
//     resolves to 127.0.0.1 (DNS rebinding) sends its own name.
//   - Only GET and HEAD are answered: there is nothing to change.
type guard struct {
	hosts  []string
	policy string // of the contents
	token  string // of the first address
	cookie http.Cookie
	used   atomic.Bool
	pages  http.Handler
	use    func()
}

// newGuard returns the guard of a listener's address. use is called for each request that
// may read.
func newGuard(address string, pages http.Handler, use func()) *guard {
	_, port, _ := net.SplitHostPort(address) // a listener's address has a port
	hosts := []string{address, "localhost:" + port}
	if port == "80" { // which browsers leave out
		hosts = append(hosts, "127.0.0.1", "localhost")
	}
	return &guard{
		hosts: hosts, policy: contentPolicy(), token: rand.Text(), pages: pages, use: use,
		// A browser sends the cookies of a host to all of its ports: two consoles must
		// not overwrite each other's.
		cookie: http.Cookie{ //nolint:gosec // not Secure: loopback has no TLS, and not every browser sends such a cookie there
			Name: "aep-retrigger-" + port, Value: rand.Text(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		},
	}
}

// ServeHTTP implements [http.Handler].
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.secure(w.Header())
	switch {
	case !slices.Contains(g.hosts, r.Host):
		refuse(w, http.StatusForbidden, "This console answers to the address that it printed, and to no other name.")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "This console is read-only: it answers GET and HEAD. To change something, use the command aep-retrigger.")
	case g.known(r):
		g.use()
		if r.URL.Query().Has(tokenParameter) {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		g.pages.ServeHTTP(w, r)
	case g.enters(r):
		g.use()
		http.SetCookie(w, &g.cookie)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case r.URL.Query().Has(tokenParameter):
		refuse(w, http.StatusForbidden, "This address was used already, or is not the one that the console printed. It works once. Start aep-retrigger console again for a new one.")
	default:
		refuse(w, http.StatusForbidden, "Open the address that aep-retrigger console printed: it has a token that works once. If you have just come from a link on a page, reload this page.")
	}
}

// known reports whether the browser has the cookie.
func (g *guard) known(r *http.Request) bool {
	for _, c := range r.CookiesNamed(g.cookie.Name) {
		if same(c.Value, g.cookie.Value) {
			return true
		}
	}
	return false
}

// enters reports whether the request has the token for the first time. A HEAD does not use
// it up: programs that show a preview of links send those.
func (g *guard) enters(r *http.Request) bool {
	return r.Method == http.MethodGet && same(r.URL.Query().Get(tokenParameter), g.token) && g.used.CompareAndSwap(false, true)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// contentPolicy allows the one style that the pages have, the icon and our own forms.
func contentPolicy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// secure sets the headers of every answer. The pages have no script and load nothing but
// the icon; a browser holds them to that, whatever a text in them would be.
func (g *guard) secure(h http.Header) {
	h.Set("Content-Security-Policy", g.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// refuse answers with one sentence. It is plain text: who may not read gets nothing of the
// pages.
func refuse(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(sentence + "\n")) // who is gone needs no answer
}
