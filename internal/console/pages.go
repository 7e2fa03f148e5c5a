package console

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/plaintext"
)

//go:embed templates
var files embed.FS

//go:embed style.css
var style string

//go:embed icon.svg
var icon []byte

// perPage is how many rows a page has.
const perPage = 100

// readTime bounds the reading for one page.
const readTime = 45 * time.Second

// pages answers each address with its page.
type pages struct {
	operator *operate.Operator
	views    map[string]*template.Template
	mux      *http.ServeMux
	// defect is told of a page that can't be made.
	defect func(error)
}

// view is what is read for a page; the template of the same name shows it.
type view func(ctx context.Context, r *http.Request, p *page) (any, error)

func newPages(o *operate.Operator) *pages {
	p := &pages{operator: o, views: map[string]*template.Template{}, mux: http.NewServeMux(), defect: func(error) {}}
	for _, one := range []struct {
		address, name, section string
		view                   view
	}{
		{"/{$}", "overview", "Overview", p.overview},
		{"/dataflows", "dataflows", "Dataflows", p.dataflows},
		{"/dataflow", "dataflow", "Dataflows", p.dataflow},
		{"/run", "run", "Runs", p.run},
		{"/waiting", "waiting", "Waiting", p.waits},
		{"/dead-letters", "dead-letters", "Dead letters", p.deadLetters},
		{"/sweeps", "sweeps", "Sweeps", p.sweeps},
		{"/pauses", "pauses", "Pauses", p.pauses},
	} {
		p.views[one.name] = parsed(one.name)
		p.mux.HandleFunc("GET "+one.address, func(w http.ResponseWriter, r *http.Request) { p.answer(w, r, one.name, one.section, one.view) })
	}
	p.views["message"] = parsed("message")
	p.mux.HandleFunc("GET /icon.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = w.Write(icon)
	})
	p.mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		p.answer(w, r, "message", "", func(context.Context, *http.Request, *page) (any, error) {
			return nil, operate.Errorf(operate.NotThere, "There is no page at this address.")
		})
	})
	return p
}

// parsed is the template of a page, inside the frame that all pages have.
func parsed(name string) *template.Template {
	t := template.New("frame.html").Funcs(template.FuncMap{
		"grouped": english.Number, "plural": english.Count, "duration": english.Precise, "state": stateOfRun, "dict": dict,
		"value":     func(n *int) int { return *n },
		"flowURL":   func(orgID, id string) string { return address("/dataflow", "org", orgID, "id", id) },
		"reasonURL": func(reason string) string { return address("/dead-letters", "reason", reason) },
		"runURL":    func(orgID, id string) string { return address("/run", "org", orgID, "id", id) },
	})
	return template.Must(t.ParseFS(files, "templates/frame.html", "templates/parts.html", "templates/"+name+".html"))
}

// dict makes one value of names and values, for a part of a page that needs several.
func dict(pairs ...any) (map[string]any, error) {
	d := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, errors.New("dict: a name is no text")
		}
		d[name] = pairs[i+1]
	}
	return d, nil
}

// address is a path with parameters, given as name, value, name, value. Empty values are
// left out.
func address(path string, pairs ...string) string {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// page is what every template gets.
type page struct {
	Title, Section string
	Style          template.CSS
	Stack          operate.Stack
	Now            time.Time
	Orgs           []ledger.Pulse
	Search         string
	Data           any
}

// At is a time as the page writes it.
func (p *page) At(t time.Time) moment { return momentOf(t, p.Now) }

// ManyOrgs reports whether rows must name their org.
func (p *page) ManyOrgs() bool { return len(p.Orgs) > 1 }

// ServeHTTP implements [http.Handler].
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// answer reads what the page shows and writes it, or a page that says why not.
func (p *pages) answer(w http.ResponseWriter, r *http.Request, name, title string, read view) {
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	one := &page{
		Title: title, Section: title, Style: template.CSS(style), //nolint:gosec // our own file
		Stack: p.operator.Stack, Now: p.operator.Now(),
	}
	var err error
	if one.Orgs, err = p.orgs(ctx); err == nil {
		one.Data, err = read(ctx, r, one)
	}
	if redirect, ok := errors.AsType[redirected](err); ok {
		http.Redirect(w, r, string(redirect), http.StatusSeeOther)
		return
	}
	status := http.StatusOK
	if err != nil {
		status, name = statusOf(err), "message"
		one.Title, one.Data = titleOf(err), sentence(err)
	}
	p.write(w, status, name, one)
}

// write writes the page. The texts in it are escaped by the template; here, at the one place
// where a page goes out, control characters and those that turn the direction of writing are
// replaced.
func (p *pages) write(w http.ResponseWriter, status int, name string, one *page) {
	var text bytes.Buffer
	if err := p.views[name].Execute(&text, one); err != nil {
		p.defect(err)
		refuse(w, http.StatusInternalServerError, "The page could not be made: this is a defect of the console. The command aep-retrigger shows the same.")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(plaintext.Lines(text.String()))) // who is gone needs no answer
}

// redirected is the "error" of a page that is at another address.
type redirected string

// Error names the address.
func (r redirected) Error() string { return "see " + string(r) }

// sentence is what an error says to a person.
func sentence(err error) string { return operate.AWSError(err).Error() }

func kindOf(err error) operate.Kind {
	if e, ok := errors.AsType[*operate.Error](operate.AWSError(err)); ok {
		return e.Kind
	}
	return operate.Failed
}

func statusOf(err error) int {
	switch kindOf(err) {
	case operate.NotThere:
		return http.StatusNotFound
	case operate.Wrong:
		return http.StatusBadRequest
	default:
		return http.StatusBadGateway
	}
}

func titleOf(err error) string {
	switch kindOf(err) {
	case operate.NotThere:
		return "Not found"
	case operate.Wrong:
		return "That can't be shown"
	case operate.NotAllowed:
		return "AWS does not allow it"
	default:
		return "It could not be read"
	}
}

// paging is which rows of how many a page shows.
type paging struct {
	From, To, All int
	// Open means that there are more than All.
	Open bool
	// Previous and Next are addresses; empty for none.
	Previous, Next string
}

// paged returns the rows of the page that the request asks for.
func paged[T any](r *http.Request, rows []T) ([]T, paging) {
	last := max(1, (len(rows)+perPage-1)/perPage)
	number := min(max(numberOf(r, "page"), 1), last)
	from, to := min((number-1)*perPage, len(rows)), min(number*perPage, len(rows))
	p := paging{From: from + 1, To: to, All: len(rows)}
	if number > 1 {
		p.Previous = pageAddress(r, number-1)
	}
	if number < last {
		p.Next = pageAddress(r, number+1)
	}
	return rows[from:to], p
}

// pageAddress is the request's own address with another number of the page.
func pageAddress(r *http.Request, number int) string {
	query := r.URL.Query()
	query.Set("page", strconv.Itoa(number))
	return (&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).String()
}

func numberOf(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.FormValue(name)) // anything else is the first page
	return n
}
