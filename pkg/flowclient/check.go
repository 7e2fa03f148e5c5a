package flowclient

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkID refuses an id that must not go into a path. The error does not quote
// it.
func checkID(what, id string) error {
	if err := checkName(what, id); err != nil {
		return err
	}
	if strings.Contains(id, "/") || id == "." || id == ".." {
		return fmt.Errorf("the %s is no id but a path", what)
	}
	return nil
}

// checkName refuses what must not go into a header. The error does not quote
// it.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s is empty", what)
	case len(name) > MaxIDLength:
		return fmt.Errorf("the %s has %d bytes, more than %d", what, len(name), MaxIDLength)
	case !utf8.ValidString(name):
		return fmt.Errorf("the %s is not UTF-8", what)
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("the %s has white space or control characters in it", what)
	}
	return nil
}

// clip shortens input that was refused, for an error.
func clip(text string) string {
	const limit = 64
	return scrubber{}.clean(text[:min(len(text), 2*limit)], limit)
}

func check(ok bool, message string) error {
	if ok {
		return nil
	}
	return errors.New(message)
}

// checkURL returns the address without a slash at its end. The error does not
// quote it: it may hold a password.
func checkURL(what, address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return "", fmt.Errorf("the %s is no absolute URL", what)
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return "", fmt.Errorf("the %s is not https, which only a loopback host need not be", what)
	case u.User != nil:
		return "", fmt.Errorf("the %s has a user name or password in it", what)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fmt.Errorf("the %s has a query or fragment", what)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func isLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}
