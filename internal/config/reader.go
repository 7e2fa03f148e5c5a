package config

import (
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// required as a default marks a variable that must be set. It can't be a value:
// no environment variable contains a NUL byte.
const required = "\x00"

// reader reads variables and gathers what is wrong with them.
type reader struct {
	env  map[string]string
	errs []error
	// wrong has the names of the variables for which errs has an error.
	wrong map[string]bool
}

// newReader takes the first of several values of one variable, as package os does.
func newReader(environ []string) *reader {
	r := &reader{env: map[string]string{}, wrong: map[string]bool{}}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if _, again := r.env[name]; !again {
			r.env[name] = value
		}
	}
	return r
}

func (r *reader) fail(name, problem string) {
	r.errs = append(r.errs, fmt.Errorf("%s %s", name, problem))
	r.wrong[name] = true
}

func (r *reader) text(name, fallback string) string {
	if value := strings.TrimSpace(r.env[name]); value != "" {
		return value
	}
	if fallback != required {
		return fallback
	}
	problem, strays := "is required and not set", r.strays()
	if i := slices.IndexFunc(strays, func(s Stray) bool { return s.Meant == name }); i >= 0 {
		problem += " (" + strays[i].Name + " is set: is it meant?)"
	}
	r.fail(name, problem)
	return ""
}

// list reads a comma-separated list. Its elements are named by their places: one may be
// a secret, put where its name belongs.
func (r *reader) list(name, fallback string, check func(string) error) []string {
	text := r.text(name, fallback)
	if text == "" {
		return nil
	}
	items := strings.Split(text, ",")
	var kept []string
	for i, item := range items {
		items[i] = strings.TrimSpace(item)
		item = items[i]
		place := fmt.Sprintf("element %d of %d", i+1, len(items))
		if item == "" {
			r.fail(name, "has an empty element in its comma-separated list: "+place)
		} else if err := check(item); err != nil {
			r.fail(name, fmt.Sprintf("%s %v", place, err))
		} else if first := slices.Index(items[:i], item); first >= 0 {
			r.fail(name, fmt.Sprintf("%s is the same as element %d", place, first+1))
		} else {
			kept = append(kept, item)
		}
	}
	return kept
}

func (r *reader) sandbox(name string) string {
	text := r.text(name, "")
	if text == "" {
		return ""
	}
	if err := flowclient.CheckSandboxName(text); err != nil {
		r.fail(name, err.Error())
	}
	return text
}

// busName matches the name and the ARN of a bus that takes PutEvents, as
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateEventBus.html has them.
// A name with a slash is of a partner's bus.
var busName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[A-Za-z0-9._-]{1,256}$`)
})

// bus reads the name or the ARN of an event bus.
func (r *reader) bus(name string) string {
	text := r.text(name, "")
	switch {
	case text == "" || busName().MatchString(text):
		return text
	case strings.Contains(text, "aws.partner/"):
		r.fail(name, "is the bus of a partner event source, which takes events of the partner alone: name a bus of your own, or default")
	default:
		r.fail(name, "is neither the name nor the ARN of an EventBridge bus")
	}
	return ""
}

// url reads a base URL by the rules of the client that calls it.
func (r *reader) url(name, fallback string) string {
	text := r.text(name, fallback)
	if text == "" {
		return ""
	}
	address, err := flowclient.CheckURL(text)
	if err != nil {
		r.fail(name, err.Error())
	}
	return address
}

// client reports, under the variable's name, each setting that flowclient refuses. The
// function makes its clients when it reads the orgs' secrets, where the refusal would look
// like a fault of the secret.
func (r *reader) client(c Config) {
	settings := []struct {
		name   string
		option flowclient.Option
	}{
		{FlowServiceURL, flowclient.WithBaseURL(c.FlowServiceURL)},
		{IMSURL, flowclient.WithIMSURL(c.IMSURL)},
		{RetriggerOp, flowclient.WithOp(c.RetriggerOp)},
		{CallTimeout, flowclient.WithCallTimeout(c.CallTimeout)},
	}
	for _, s := range settings {
		if r.wrong[s.name] {
			continue // it is reported already
		}
		if err := tryClient(s.option); err != nil {
			r.fail(s.name, "is refused: "+strings.TrimPrefix(err.Error(), "flowclient: "))
		}
	}
}

// tryClient makes a client with one setting and with a credential that opens nothing. It
// makes no call.
func tryClient(setting flowclient.Option) error {
	options := []flowclient.Option{setting, flowclient.WithHTTPClient(&http.Client{})} // the usual one costs more to make
	dummy := flowclient.Credentials{ClientID: "none", ClientSecret: "none", Scopes: []string{"none"}}
	tokens, err := flowclient.NewIMS(dummy, options...)
	if err != nil {
		return err
	}
	_, err = flowclient.New("none@AdobeOrg", dummy.ClientID, tokens, options...)
	return err
}

func (r *reader) level(name string) slog.Level {
	switch text := r.text(name, "info"); strings.ToLower(text) {
	case "debug":
		return slog.LevelDebug
	case "info":
		return slog.LevelInfo
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		r.fail(name, fmt.Sprintf("is %q, must be one of debug, info, warn, error", text))
		return slog.LevelInfo
	}
}

// choice reads one of several words, of which the first is the default.
func (r *reader) choice(name string, words ...string) string {
	text := r.text(name, words[0])
	for _, word := range words {
		if strings.EqualFold(text, word) {
			return word
		}
	}
	r.fail(name, fmt.Sprintf("is %q, must be one of %s", text, strings.Join(words, ", ")))
	return words[0]
}

func (r *reader) flag(name string, fallback bool) bool {
	text := r.text(name, strconv.FormatBool(fallback))
	switch strings.ToLower(text) {
	case "true":
		return true
	case "false":
		return false
	default:
		r.fail(name, fmt.Sprintf("is %q, must be true or false", text))
		return true // not to send is the safe mistake
	}
}

func (r *reader) count(name string, fallback, least, most int) int {
	text := r.text(name, strconv.Itoa(fallback))
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		r.fail(name, fmt.Sprintf("is %q, must be a whole number from %d to %d", text, least, most))
	}
	return n
}

func (r *reader) delays(name string) []time.Duration {
	text := r.text(name, "")
	if text == "" {
		return policy.DefaultDelays()
	}
	delays, err := policy.ParseDelays(text)
	r.each(name, err)
	return delays
}

func (r *reader) rules(name string) []policy.Rule {
	text := r.text(name, "")
	if text == "" {
		return nil
	}
	rules, err := policy.ParseRules(text)
	r.each(name, err)
	return rules
}

// each reports each of the errors that one joins.
func (r *reader) each(name string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			r.fail(name, e.Error())
		}
	} else if err != nil {
		r.fail(name, err.Error())
	}
}

func (r *reader) duration(name string, fallback, least, most time.Duration) time.Duration {
	text := r.text(name, fallback.String())
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		r.fail(name, fmt.Sprintf("is %q, must be a duration such as 10s or 5m, from %s to %s", text, least, most))
	}
	return d
}
