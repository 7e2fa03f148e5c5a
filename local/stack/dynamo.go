package stack

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truora/minidyn/server"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// simulatedDynamo counts the calls of minidyn, adds the checksum that DynamoDB's
// answers have and clients check, which minidyn leaves out, and refuses what DynamoDB
// refuses and minidyn takes, and answers queries of indexes itself; see refusal, transactions
// and queryIndex.
type simulatedDynamo struct {
	*server.Server
	calls  atomic.Int64
	tables sync.RWMutex // minidyn makes and deletes tables without a lock

	made map[string]time.Time // when each table was made, under tables

	transactions transactions
	actions      *awssim.Actions // those that callers have used; may be nil
	// begun is called while a call is under way, before minidyn gets it; nil for nothing.
	begun func(op string)
	// latency is how long a call is under way at least, and with it a transaction.
	latency time.Duration
}

// ServeHTTP answers one call.
func (d *simulatedDynamo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	came := time.Now()
	d.calls.Add(1)
	recorder := httptest.NewRecorder()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if d.actions != nil {
		d.actions.Note(r, body)
	}
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	answers := came.Add(d.latency)
	if refused := d.answer(op, body, recorder, r, answers); refused != nil {
		loopback.WaitUntil(answers)
		recorder.Header().Set("Content-Type", "application/x-amz-json-1.0")
		recorder.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(recorder).Encode(refused)
	}
	maps.Copy(w.Header(), recorder.Header())
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(recorder.Body.Bytes())), 10))
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(recorder.Body.Bytes())
}

// answer has minidyn answer a call, which ends at the given time or later, or returns the
// refusal.
func (d *simulatedDynamo) answer(op string, body []byte, w http.ResponseWriter, r *http.Request, ends time.Time) (refused any) {
	if refused := refusal(op, body); refused != nil {
		return refused
	}
	done, refused := d.transactions.begin(op, body)
	if refused != nil {
		return refused
	}
	defer done()
	defer loopback.WaitUntil(ends) // holding no lock of the tables
	if d.begun != nil {
		d.begun(op)
	}
	d.minidyn(op, body, w, r)
	return nil
}

// minidyn has minidyn answer a call. Indexes are not its own.
func (d *simulatedDynamo) minidyn(op string, body []byte, w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(op, "Table") {
		d.tables.Lock()
		defer d.tables.Unlock()
		d.table(op, body, w, r)
		return
	}
	d.tables.RLock()
	defer d.tables.RUnlock()
	if !d.queryIndex(op, body, w, r) {
		d.Server.ServeHTTP(w, r)
	}
}

// table has minidyn answer a call on a table. minidyn leaves out of its description when the
// table was made, as DynamoDB has it: seconds since 1970, with a fraction.
func (d *simulatedDynamo) table(op string, body []byte, w http.ResponseWriter, r *http.Request) {
	var in struct{ TableName string }
	_ = json.Unmarshal(body, &in) // minidyn says what is wrong with it
	answer := httptest.NewRecorder()
	d.Server.ServeHTTP(answer, r)
	text := answer.Body.Bytes()
	var described map[string]map[string]any
	switch {
	case answer.Code != http.StatusOK:
	case op == "CreateTable":
		if d.made == nil {
			d.made = map[string]time.Time{}
		}
		d.made[in.TableName] = time.Now()
	case op == "DescribeTable" && json.Unmarshal(text, &described) == nil && described["Table"] != nil:
		described["Table"]["CreationDateTime"] = float64(d.made[in.TableName].UnixMilli()) / 1000
		text, _ = json.Marshal(described) // it was JSON
	}
	maps.Copy(w.Header(), answer.Header())
	w.Header().Del("Content-Length")
	w.WriteHeader(answer.Code)
	_, _ = w.Write(text)
}

// LedgerCalls returns how many calls of DynamoDB were made, where it is
// simulated.
func (s *Stack) LedgerCalls() int { return int(s.simulated.calls.Load()) }

// LedgerHandler answers the calls of DynamoDB of a stack where it is simulated, so that they
// can be served once more: over TLS, for example.
func LedgerHandler(s *Stack) http.Handler { return s.simulated }
