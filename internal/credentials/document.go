package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxWraps is how often a JSON text may be wrapped in quotation marks: once by a
	// shell script, once more by a template.
	maxWraps = 4
	// maxDepth is how deep a secret may be nested. Adobe's deepest file, the console's,
	// has eight levels.
	maxDepth = 32

	byteOrderMark = '\uFEFF'

	// null is the text of the node of JSON's null.
	null = "null"
)

// errNoObject is the fault of a secret that is JSON, but holds no fields.
var errNoObject = errors.New("is not a JSON object with client_id, client_secret, org_id and scopes")

// shape is which kind of JSON value a node is.
type shape int

const (
	isObject shape = iota + 1
	isList
	isText
	isNumber
	isOther // true, false or null
)

// node is one JSON value. An object keeps its fields in their order, and a field that
// stands twice is there twice.
type node struct {
	shape  shape
	text   string // of a text or number; "true", "false" or "null"
	fields []field
	items  []*node
}

type field struct {
	name  string
	value *node
}

// readDocument reads the text of a secret. A byte order mark before it, and quotation
// marks around the whole of it, are no fault. Example: "{\"client_id\":\"…\"}" in
// quotes is read as the object in it.
//
// The error has line and column of a syntax error, and quotes nothing of the text.
func readDocument(text string) (*node, error) {
	where := ""
	for range maxWraps {
		n, err := readJSON(text)
		switch {
		case err != nil:
			return nil, fmt.Errorf("is not valid JSON%s %w", where, err)
		case n.shape != isText:
			return n, nil
		case !mayBeJSON(n.text):
			return nil, errNoObject
		}
		text, where = n.text, " inside its outer quotation marks"
	}
	return nil, errNoObject
}

// mayBeJSON reports whether a text is worth reading as JSON, by its first character.
func mayBeJSON(text string) bool {
	text = trim(text)
	return text != "" && strings.ContainsRune(`{["`, rune(text[0]))
}

// readJSON reads one JSON value. The error begins with the place: "at line 3, column
// 9: …".
func readJSON(text string) (*node, error) {
	text = withoutMark(text)
	if !utf8.ValidString(text) {
		valid := strings.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError })
		return nil, fmt.Errorf("at %s: the text is not UTF-8 there", place(text, valid))
	}
	var whole any
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		syntax, ok := errors.AsType[*json.SyntaxError](err)
		if !ok {
			return nil, errors.New("at an unknown place")
		}
		return nil, explain(text, syntax)
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	return decode(decoder, 1)
}

// decode reads the next value of JSON that is known to be valid.
func decode(decoder *json.Decoder, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("that can be read: it is nested deeper than %d levels", maxDepth)
	}
	token, err := decoder.Token()
	if err != nil {
		return nil, io.ErrUnexpectedEOF // json.Unmarshal has accepted the text
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return decodeObject(decoder, depth)
		}
		return decodeList(decoder, depth)
	case string:
		return &node{shape: isText, text: token}, nil
	case json.Number:
		return &node{shape: isNumber, text: token.String()}, nil
	case bool:
		return &node{shape: isOther, text: strconv.FormatBool(token)}, nil
	default:
		return &node{shape: isOther, text: null}, nil
	}
}

func decodeObject(decoder *json.Decoder, depth int) (*node, error) {
	n := &node{shape: isObject}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		value, err := decode(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		text, _ := name.(string)
		n.fields = append(n.fields, field{text, value})
	}
	_, _ = decoder.Token() // the closing brace
	return n, nil
}

func decodeList(decoder *json.Decoder, depth int) (*node, error) {
	n := &node{shape: isList}
	for decoder.More() {
		item, err := decode(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, _ = decoder.Token() // the closing bracket
	return n, nil
}

// withoutMark removes byte order marks at the beginning and the end. An editor does not
// show them, so they don't count as columns.
func withoutMark(text string) string {
	isMark := func(r rune) bool { return r == byteOrderMark || isJSONSpace(r) }
	head := len(text) - len(strings.TrimLeftFunc(text, isMark))
	drop := func(r rune) rune {
		if r == byteOrderMark {
			return -1
		}
		return r
	}
	text = strings.Map(drop, text[:head]) + text[head:]
	return strings.TrimRight(text, string(byteOrderMark))
}

func isJSONSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// trim removes white space from both ends of a value, and the characters without width
// that come with a copy from a web page.
func trim(text string) string { return strings.TrimFunc(text, invisible) }

// invisible reports whether a character shows nothing: white space, a byte order mark,
// a joiner.
func invisible(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// place names a position as a person finds it in an editor. Lines and columns count
// from 1, and a column is one character, a tab included. Lines end with LF, CR or both.
func place(text string, at int) string {
	before := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text[:at])
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:]) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
}

// explain says where JSON stops being valid, and why if the reason is a usual one. It
// quotes nothing of the text, which is a secret.
func explain(text string, fault *json.SyntaxError) error {
	at := int(fault.Offset) - 1
	if at < 0 || at >= len(text) || strings.Contains(fault.Error(), "unexpected end") {
		return fmt.Errorf("at %s: the text ends before its JSON does", place(text, len(text)))
	}
	problem := usual(text, at, fault.Error())
	if quote := strings.IndexFunc(text, typographic); quote >= 0 && quote != at {
		problem += "; a typographic quotation mark stands at " + place(text, quote) + ": JSON needs the straight one (\")"
	}
	return fmt.Errorf("at %s: %s", place(text, at), problem)
}

// usual names the mistake at a position: by what the decoder says, or else by the
// characters there.
func usual(text string, at int, fault string) string {
	switch {
	case !mayBeJSON(text):
		return "the text is not a JSON object, which begins with a brace (a value alone and lines of NAME=value can't be read)"
	case strings.Contains(fault, "in string literal"):
		return "a text has a line break or another control character in it: is its closing quotation mark missing?"
	case strings.Contains(fault, "in string escape") || strings.Contains(fault, "hexadecimal"):
		return `a backslash begins no escape of JSON: write \\ for a backslash`
	case strings.Contains(fault, "after top-level value"):
		return "there is more text after the JSON value"
	}
	return usualCharacter(text, at)
}

func usualCharacter(text string, at int) string {
	r, _ := utf8.DecodeRuneInString(text[at:])
	head := strings.TrimRightFunc(text[:at], isJSONSpace)
	before, width := utf8.DecodeLastRuneInString(head)
	switch {
	case typographic(r):
		return `a typographic quotation mark: JSON needs the straight one (")`
	case r == '\'':
		return `a single quotation mark: JSON needs double ones (")`
	case r == '\\':
		return "a backslash outside of a text: the quotation marks were escaped once too often"
	case (r == '}' || r == ']') && before == ',':
		return "a comma stands before the closing bracket, at " + place(text, len(head)-width) + ": remove the comma"
	case r == ',':
		return "a comma too many, or a value missing before it"
	case r == '"' && endsValue(before):
		return "a comma, or a colon, is missing before it"
	case r == '/' || r == '#':
		return "JSON has no comments"
	case invisible(r):
		return "an invisible character that is no plain space"
	case unicode.IsLetter(r):
		return "a name or text without quotation marks; true, false and null are in lower case"
	}
	return "another character is wanted"
}

// endsValue reports whether a character may be the last of a value or a name.
func endsValue(r rune) bool {
	return strings.ContainsRune(`"}]`, r) || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func typographic(r rune) bool {
	return strings.ContainsRune("“”„‟‘’‚‛«»‹›″＂", r)
}
