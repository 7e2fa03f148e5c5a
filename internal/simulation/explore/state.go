package explore

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// hash names a state.
type hash [16]byte

// state is a digest of everything on which the future depends: the store, Adobe's book,
// the queues, what each delivery under way has been answered, and what is on its way. A
// process has no other memory: it begins with its delivery.
func (h *history) state() hash {
	sum := sha256.Sum256([]byte(canonical(h.dump(), time.Now())))
	return hash(sum[:16])
}

// dump writes the state down, with ids and times as they are.
func (h *history) dump() string {
	var b strings.Builder
	fmt.Fprintln(&b, "rotated", h.rotated, "weeks", h.weeks, "overlapped", min(len(h.deliveries), h.Together))
	records := slices.DeleteFunc(h.world.Memory.Records(), func(r store.Record) bool {
		return strings.HasPrefix(r[store.AttributeKey], "sum#") || forPeople(r[store.AttributeKey]) // no decision reads them
	})
	for _, r := range texts(records) {
		b.WriteString(r + "\n")
	}
	for _, r := range h.world.Adobe.Runs() {
		fmt.Fprintln(&b, r.ID, r.Of, r.Status, r.CreatedClient, stamp(r.CreatedAt), stamp(r.CompletedAt), accepted(h, r.ID))
	}
	for _, m := range h.world.AWS.Messages(h.world.Requests) {
		at := h.due[m.ID].at
		if at.Before(time.Now()) {
			at = time.Time{}
		}
		fmt.Fprintln(&b, m.ID, m.Body, m.Attributes, m.Receives, stamp(at), stamp(m.SentAt()))
	}
	for _, m := range h.world.AWS.Messages(h.world.DeadLetterQueue) {
		fmt.Fprintln(&b, m.Body, m.Attributes)
	}
	for _, e := range h.world.AWS.EventBuses.Sent(simulation.NoticeBus) {
		fmt.Fprintln(&b, e.DetailType)
	}
	for _, d := range h.deliveries {
		if d.gone {
			continue
		}
		fmt.Fprintln(&b, "delivery", d.message, stamp(d.started), d.answered, string(d.payload), d.err)
		for _, line := range d.transcript {
			b.WriteString(line + "\n")
		}
		for _, c := range d.sorted() {
			fmt.Fprintln(&b, "waits", c.what)
		}
	}
	for _, c := range h.wire {
		fmt.Fprintln(&b, "on its way", c.what, stamp(c.since))
	}
	return b.String()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// canonical replaces random ids by the order in which they appear, and times by how
// long ago they are: states that differ by these alone go on alike.
func canonical(text string, now time.Time) string {
	var b strings.Builder
	b.Grow(len(text))
	ids := map[string]int{}
	for i := 0; i < len(text); {
		if !part(text[i]) {
			b.WriteByte(text[i])
			i++
			continue
		}
		end := i
		for end < len(text) && part(text[end]) {
			end++
		}
		word := text[i:end]
		if at, n, ok := instant(text[i:]); ok {
			b.WriteString(age(at, now))
			i += n
			continue
		}
		i = end
		switch {
		case isNumber(word) && len(word) >= 9 && len(word) <= 13:
			b.WriteString(number(word, now))
		case isID(word):
			n, known := ids[word]
			if !known {
				n = len(ids)
				ids[word] = n
			}
			b.WriteString("id" + strconv.Itoa(n))
		default:
			b.WriteString(word)
		}
	}
	return b.String()
}

func part(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '-'
}

func isNumber(word string) bool { return strings.Trim(word, "0123456789") == "" }

// isID reports whether a word is random, such as "flowsim-token-6G6BLZOSYQZ7I5YCBDPMNZUNU2". One
// random text in two hundred has no digit: it is known by its capitals.
func isID(word string) bool {
	const least, random = 16, 12 // the shortest id, and the shortest random text in one
	if len(word) < least {
		return false
	}
	capitals := 0
	for _, c := range []byte(word) {
		switch {
		case '0' <= c && c <= '9':
			return true
		case 'A' <= c && c <= 'Z':
			capitals++
		default:
			capitals = 0
		}
		if capitals == random {
			return true
		}
	}
	return false
}

// instant reads a time in the way of RFC 3339 at the beginning of a text.
func instant(text string) (at time.Time, length int, ok bool) {
	if len(text) < 20 || text[4] != '-' || text[10] != 'T' {
		return at, 0, false
	}
	end := 19
	for end < len(text) && (text[end] == '.' || '0' <= text[end] && text[end] <= '9') {
		end++
	}
	if end == len(text) || text[end] != 'Z' {
		return at, 0, false
	}
	at, err := time.Parse(time.RFC3339Nano, text[:end+1])
	return at, end + 1, err == nil
}

// number replaces a number that is a time in seconds or milliseconds.
func number(word string, now time.Time) string {
	n, _ := strconv.ParseInt(word, 10, 64) // it has digits alone
	for _, at := range []time.Time{time.Unix(n, 0), time.UnixMilli(n)} {
		if d := now.Sub(at).Abs(); d < 1000*24*time.Hour {
			return age(at, now)
		}
	}
	return word
}

// age says roughly how long ago a time is, or how far ahead. The limits between two ages
// lie where the function's own limits are: time passes here in steps of a minute or more,
// and the function waits for half a minute, half an hour or a week. Within an age, states
// count as the same, though the function might tell them apart: the explorer then goes on
// from the first of them alone.
func age(at, now time.Time) string {
	d := now.Sub(at)
	sign := "past"
	if d < 0 {
		d, sign = -d, "ahead"
	}
	for _, limit := range []time.Duration{
		0, time.Minute, 30 * time.Minute, 35 * time.Minute, 24 * time.Hour, 7 * 24 * time.Hour,
	} {
		if d <= limit {
			return "<" + sign + limit.String() + ">"
		}
	}
	return "<" + sign + " long>"
}
