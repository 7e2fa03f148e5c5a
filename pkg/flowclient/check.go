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

// CheckSandboxName returns an error unless the text can be the name of a sandbox: 1 to
// [MaxIDLength] letters, digits and hyphens of ASCII. Adobe makes names of lower-case
// letters; upper case is let pass. The error does not quote the text.
func CheckSandboxName(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > MaxIDLength:
		return fmt.Errorf("has %d bytes, more than %d", len(name), MaxIDLength)
	case strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}):
		return errors.New("can't be the name of a sandbox, which has letters, digits and hyphens only (is it the sandbox's title?)")
	}
	return nil
}

// CheckURL returns a base URL without a slash at its end, or an error if the client
// can't call it: it must be absolute, without user name, query and fragment, and https
// except on a loopback host. The error does not quote the address, which may hold a
// password. Example: "https://host/path?" gives "has a query or fragment".
func CheckURL(address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "":
		return "", errors.New("is no absolute URL")
	case strings.ContainsFunc(address, unicode.IsSpace):
		return "", errors.New("has white space in it")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return "", errors.New("is not https, which only a loopback host need not be")
	case u.User != nil:
		return "", errors.New("has a user name or password in it")
	case strings.ContainsAny(address, "?#"):
		return "", errors.New("has a query or fragment")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func checkURL(what, address string) (string, error) {
	trimmed, err := CheckURL(address)
	if err != nil {
		return "", fmt.Errorf("the %s %w", what, err)
	}
	return trimmed, nil
}

func isLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}
