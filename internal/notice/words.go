package notice

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
)

// nextStep is what a person does about a notice of this kind if the notice does not say.
func (k Kind) nextStep() string {
	switch k {
	case Failing:
		return "Find out why the source or the dataflow fails, and mend it. The function retries the next failures by itself."
	case Recovered:
		return "Nothing, unless runs of the episode are in the dead-letter queue: send them again if their data is still missing."
	case GivenUp:
		return "Read the error, mend its cause, and send the dead letter again."
	case CredentialRefused:
		return "Put a valid credential into the secret, or give the credential the API and the product profile in Adobe Developer Console. The requests go on by themselves."
	default:
		return "Look into the function's log."
	}
}

// title is the notice in a line.
func (n *Notice) title() string {
	switch n.Kind {
	case Failing:
		return n.flow() + " keeps failing"
	case Recovered:
		return n.flow() + " works again"
	case GivenUp:
		return "A run of " + lower(n.flow()) + " was given up"
	case CredentialRefused:
		return "Adobe refuses the credential of org " + n.OrgID
	default:
		return string(n.Kind)
	}
}

// message is the notice in some sentences.
func (n *Notice) message() string {
	sentences := []string{n.happened(), sentence(n.Cause), n.said()}
	if n.DaysLeft != nil && n.Kind != Recovered {
		sentences = append(sentences, "Adobe disables a dataflow that has failed for 30 days; "+days(*n.DaysLeft)+" left.")
	}
	return strings.Join(strings.Fields(strings.Join(sentences, " ")), " ")
}

// happened says what the notice tells of.
func (n *Notice) happened() string {
	since := ""
	if at := minute(n.FirstFailure); at != "" {
		since = " since " + at
	}
	switch n.Kind {
	case Failing:
		return sentence(english.Count(n.Count, "run") + " failed" + since)
	case Recovered:
		return sentence("A run succeeded at " + cmp.Or(minute(n.At), "an unknown time") + ", after " + english.Count(n.Count, "failed run") + since)
	case GivenUp:
		return n.gaveUp()
	case CredentialRefused:
		return "The requests of this org wait until Adobe accepts the credential."
	default:
		return ""
	}
}

// gaveUp says which run was given up, how often it was retried, and which data is missing.
func (n *Notice) gaveUp() string {
	text := "Run " + cmp.Or(n.RunID, "(unknown)") + " failed and was not re-triggered."
	if n.Attempts > 0 {
		text = "Run " + cmp.Or(n.RunID, "(unknown)") + " failed and was re-triggered " + english.Count(n.Attempts, "time") + ", without a success."
	}
	if w := n.Window.Whole(); !w.IsZero() {
		text += " Its data window is " + minute(w.Start) + " to " + minute(w.End) + "."
	}
	return text
}

// minute is a time as people read it; "" for none.
func minute(t time.Time) string {
	if timestamp(t) == "" {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// said quotes Adobe's error.
func (n *Notice) said() string {
	switch {
	case n.Code != "" && n.Text != "":
		return sentence("Adobe says: " + n.Code + ": " + n.Text)
	case n.Code+n.Text != "":
		return sentence("Adobe says: " + n.Code + n.Text)
	default:
		return ""
	}
}

// maxInTitle is the most bytes of a dataflow's name in a title: chat clients cut long titles.
const maxInTitle = 120

// flow names the dataflow.
func (n *Notice) flow() string {
	if n.FlowName != "" {
		return fmt.Sprintf("Dataflow “%s”", shown(n.FlowName, maxInTitle))
	}
	return "Dataflow " + cmp.Or(n.FlowID, "(unknown)")
}

// lower and upper change the first letter of our own texts, which are English.
func lower(text string) string { return strings.ToLower(text[:1]) + text[1:] }
func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func days(n int) string {
	if n == 1 {
		return "1 day is"
	}
	return fmt.Sprintf("%d days are", n)
}

// sentence ends a text with a period, unless it has an end.
func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") || strings.HasSuffix(text, "…") {
		return text
	}
	return text + "."
}
