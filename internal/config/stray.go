package config

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/aep-retrigger/aep-retrigger/internal/typo"
)

// Stray is a variable of the environment whose name looks like one of ours, such as
// RETRY_DELAY or QUEUE_ULR. The function does not read it.
type Stray struct {
	// Name is the variable's name. Its value is nowhere: it may be a secret.
	Name string
	// Meant is our variable that the person probably meant.
	Meant string
}

// strays returns the variables that look like ours, in the order of their names.
func (r *reader) strays() []Stray {
	var found []Stray
	for _, name := range slices.Sorted(maps.Keys(r.env)) {
		if slices.Contains(names(), name) || ofOthers(name) {
			continue
		}
		if meant := looksLike(name); meant != "" {
			found = append(found, Stray{name, meant})
		}
	}
	return found
}

// ofOthers reports whether a variable belongs to Lambda, its runtime, an extension or a
// shell: the function's user did not set it, or not for the function.
// See https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html.
func ofOthers(name string) bool {
	for _, prefix := range []string{"AWS_", "LAMBDA_", "_", "LC_", "XDG_", "SSH_", "GO"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{
		"PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "LANG", "LANGUAGE", "TZ", "NODE_PATH", "NODE_OPTIONS", "PYTHONPATH", "GEM_PATH", "GEM_HOME",
		"HOME", "HOSTNAME", "PWD", "OLDPWD", "SHLVL", "SHELL", "USER", "LOGNAME", "TERM", "TMPDIR", "LS_COLORS", "LESSOPEN", "LESSCLOSE",
	}, name)
}

// looksLike returns our variable that another one's name is a slip of the pen, an
// underscore, a plural or a usual word away from. It returns nothing where no name of
// ours is near. Example: DD_LOG_LEVEL, an extension's, is two letters from LOG_LEVEL, and
// in so short a name two wrong letters are too many.
func looksLike(name string) string {
	best, meant := unlike, ""
	for _, ours := range names() {
		if d := apart(name, ours); d < best {
			best, meant = d, ours
		}
	}
	return meant
}

// unlike is how far [apart] a name is that resembles none of ours: more than any slip.
const unlike = 100

// apart says how far a name is from one of ours: 0 for the same letters, 1 for the same
// words, 1 more than the number of wrong letters, or [unlike].
func apart(name, ours string) int {
	theirs, own := words(name), words(ours)
	for len(theirs) > 1 && slices.Contains([]string{"AEP", "ADOBE", "AEPRETRIGGER", "SQS", "DYNAMODB", "REQUEST", "LAMBDA"}, theirs[0]) {
		theirs = theirs[1:] // a prefix that a person may add
	}
	switch {
	case strings.Join(theirs, "") == strings.Join(own, ""):
		return 0
	case slices.Equal(sorted(core(theirs)), sorted(core(own))): // POLICY_RETRY
		return 1
	}
	allowed := 1
	if len(ours) >= 10 {
		allowed = 2
	}
	for _, form := range [][2][]string{{theirs, own}, {core(theirs), core(own)}} {
		a, b := strings.Join(form[0], ""), strings.Join(form[1], "")
		if d := typo.Distance(a, b); d <= allowed && len(b) >= 4 {
			return 1 + d
		}
	}
	return unlike
}

// sorted puts words in the order of the alphabet.
func sorted(words []string) []string { return slices.Sorted(slices.Values(words)) }

// words splits a name at its underscores. A dead-letter queue is often a DLQ.
func words(name string) []string {
	name = strings.NewReplacer("DLQ", "DEAD_LETTER_QUEUE", "TABLENAME", "TABLE_NAME").Replace(strings.ToUpper(name))
	return strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// core leaves out of a name the words that a person may add, leave out or confuse, and
// its plurals: SECRET_ARNS and SECRET_ID are both about a secret, SANDBOX and
// DEFAULT_SANDBOX about a sandbox.
func core(words []string) []string {
	var kept []string
	for _, word := range words {
		switch {
		case strings.HasSuffix(word, "IES"):
			word = strings.TrimSuffix(word, "IES") + "Y"
		case strings.HasSuffix(word, "XES"):
			word = strings.TrimSuffix(word, "ES")
		case len(word) > 3:
			word = strings.TrimSuffix(word, "S")
		}
		kept = append(kept, word)
	}
	if len(kept) > 1 && (kept[0] == "DEFAULT" || kept[0] == "IS") {
		kept = kept[1:]
	}
	for len(kept) > 1 && slices.Contains([]string{"ID", "IDS", "ARN", "NAME", "URL", "URI", "JSON", "VALUE", "LIST", "ENDPOINT", "SECOND", "SEC", "MS", "MINUTE", "HOUR", "DAY"}, kept[len(kept)-1]) {
		kept = kept[:len(kept)-1]
	}
	return kept
}
