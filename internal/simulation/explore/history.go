package explore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	// week is how long the step "eight days pass" takes: longer than the week after which
	// an engine may be tempted to forget.
	week = 8 * 24 * time.Hour
	// runTime is how long a run takes.
	runTime = time.Minute
)

// history is one course of events, in a bubble of its own.
type history struct {
	*Setup
	world      *simulation.World
	began      time.Time
	deliveries []*delivery
	wire       []*call // those of dead processes that are still on their way
	names      map[string]string
	due        map[string]due  // by message id
	delays     []time.Duration // those of messages, in the order in which they were set
	delayed    int             // how many of delays are behind us
	steps      []string        // what happened, for people
	rotated    bool
	weeks      int
	faults     int // those that were used
	shared     map[string]bool
	wrote      map[string]bool // kinds of items
	broken     *Broken
}

// due is when a message may be delivered, as decided when its visibility last changed.
type due struct {
	changes int // of the visibility
	at      time.Time
}

// delivery is one message's way through one process.
type delivery struct {
	name     string
	message  string
	receipt  string
	started  time.Time
	deadline time.Time
	cancel   context.CancelFunc

	mu         sync.Mutex
	pending    []*call
	transcript []string
	answered   bool // the handler has returned
	gone       bool // the process is dead, or the answer is worked off
	payload    []byte
	err        error
}

// begin makes the world of a history.
func begin(t *testing.T, s *Setup, shared map[string]bool, delays []time.Duration) *history {
	t.Helper()
	h := &history{Setup: s, began: time.Now(), names: map[string]string{}, due: map[string]due{}, shared: shared, delays: delays, wrote: map[string]bool{}}
	h.world = simulation.New(t, s.Wire, 0, 0)
	h.world.Config.RetryDelays = slices.Repeat([]time.Duration{0}, s.Attempts)
	h.world.Config.MaxRunAge = 60 * 24 * time.Hour
	h.world.Config.SecretIDs = []string{"secret-W"}
	if s.Configure != nil {
		s.Configure(&h.world.Config)
	}
	if s.Refuse != nil {
		always := *s.Refuse
		always.Op, always.Times = flowsim.OpRetrigger, 2*mostSteps
		h.world.Adobe.Inject(always)
	}
	var runs []string
	for i, flow := range s.Runs {
		if !slices.Contains(h.world.Flows, flow) {
			h.world.Flow(flow, simulation.Org)
			h.world.Adobe.AddFlow(flowsim.Flow{ID: flow, Name: flow, OrgID: simulation.Org, Sandbox: simulation.Sandbox, Windows: s.Windows})
		}
		id := "run-" + string(rune('a'+i))
		h.world.Adobe.AddRun(flowsim.Run{ID: id, FlowID: flow, Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CompletedAt: time.Now(), Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500"}}})
		runs = append(runs, id)
	}
	for _, i := range s.Messages {
		tell(h, runs[i])
	}
	h.look()
	return h
}

// tell puts the event of a run's end on the queue.
func tell(h *history, runID string) {
	h.world.AWS.Put(h.world.Requests, string(h.world.Adobe.FailureEvent(runID)))
}

// look finds out from when on each message may be delivered. Jitter is taken out here: a
// message comes at the end of a range in which its delay lies, and when the history is
// replayed it comes at the same time again, whatever delay is drawn then.
func (h *history) look() {
	for _, m := range h.world.AWS.Messages(h.world.Requests) {
		if h.names[m.ID] == "" {
			h.names[m.ID] = "message " + strconv.Itoa(len(h.names)+1)
		}
		if known, ok := h.due[m.ID]; ok && known.changes == m.Changes {
			continue
		}
		if h.delayed == len(h.delays) {
			h.delays = append(h.delays, rounded(time.Until(m.VisibleAt)))
		}
		h.due[m.ID] = due{m.Changes, time.Now().Add(h.delays[h.delayed])}
		h.delayed++
	}
}

// rounded is the end of the range in which a delay with jitter may be.
func rounded(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	for _, end := range []time.Duration{time.Minute, 4 * time.Minute} {
		if d <= end {
			return end
		}
	}
	const quarter = 15 * time.Minute
	return (d + quarter - 1) / quarter * quarter
}

// deliver receives a message and hands it to a new process.
func (h *history) deliver(id string) {
	m, ok := h.world.AWS.Receive(h.world.Requests, id)
	if !ok {
		h.world.TB.Fatalf("%s can't be received", h.names[id])
	}
	d := &delivery{name: letter(len(h.deliveries)), message: id, receipt: m.Receipt, started: time.Now()}
	ctx, cancel := context.WithTimeout(context.Background(), h.world.Timeout)
	d.deadline, _ = ctx.Deadline()
	d.cancel = cancel
	h.deliveries = append(h.deliveries, d)
	handler := h.world.Wire(simulation.Parts{
		Config: h.world.Config, Amazon: amazonOf(h, d), Store: storeCalls{d, h.world.Memory}, Out: heard{d, h.world.Logs},
		Adobe: []flowclient.Option{flowclient.WithHTTPClient(client(httpCalls{d, h.world.Adobe, adobeCall})), flowclient.WithMaxAttempts(1)},
	})
	payload := event(m)
	go func() {
		answer, err := handler.Invoke(ctx, payload)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.answered, d.payload, d.err = true, answer, err
	}()
}

// letter names the n-th delivery, A to Z, and then Z26, Z27 and so on.
func letter(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if n < len(letters) {
		return letters[n : n+1]
	}
	return "Z" + strconv.Itoa(n)
}

func amazonOf(h *history, d *delivery) aws.Config {
	cfg := h.world.Amazon(httpCalls{d, h.world.AWS, amazonCall})
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return cfg
}

// event is the payload with one message that Lambda's mapping makes.
func event(m awssim.Received) []byte {
	one := events.SQSMessage{
		MessageId: m.ID, ReceiptHandle: m.Receipt, Body: m.Body, MessageAttributes: map[string]events.SQSMessageAttribute{},
		Attributes:  map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.Receives), "SentTimestamp": strconv.FormatInt(m.SentAt.UnixMilli(), 10)},
		EventSource: "aws:sqs", EventSourceARN: awssim.QueueARN("requests"), AWSRegion: awssim.Region,
	}
	for name, a := range m.Attributes {
		one.MessageAttributes[name] = events.SQSMessageAttribute{DataType: a.DataType, StringValue: &a.StringValue}
	}
	payload, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{one}})
	if err != nil {
		panic(err) // texts always encode
	}
	return payload
}

// heard is the log of a delivery's process.
type heard struct {
	by *delivery
	io.Writer
}

// Write implements [io.Writer] for one line. Only lines of outcomes are of interest.
func (w heard) Write(line []byte) (int, error) {
	w.by.mu.Lock()
	gone := w.by.gone
	w.by.mu.Unlock()
	if !gone && strings.Contains(string(line), `"outcome"`) {
		return w.Writer.Write(line)
	}
	return len(line), nil
}

// living are the deliveries that have not ended.
func (h *history) living() []*delivery {
	var all []*delivery
	for _, d := range h.deliveries {
		if !d.gone {
			all = append(all, d)
		}
	}
	return all
}

// end ends a delivery: its process is dead to the world.
func (h *history) end(d *delivery) {
	d.mu.Lock()
	d.gone = true
	for _, c := range d.pending {
		c.result <- simulation.ErrDead
	}
	d.pending = nil
	d.mu.Unlock()
	d.cancel()
}

// close ends everything, so that the bubble can end.
func (h *history) close() {
	for _, d := range h.deliveries {
		h.end(d)
	}
}

// settle waits until every goroutine waits, and brings the books up to date.
func (h *history) settle() {
	synctest.Wait()
	h.look()
}

// hear works an answer off as Lambda's mapping does: unless the answer names the
// message as failed, it is deleted.
func (h *history) hear(d *delivery) {
	var answer struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	failed := d.err != nil || json.Unmarshal(d.payload, &answer) != nil || len(answer.BatchItemFailures) > 0
	if !failed {
		h.world.AWS.Delete(h.world.Requests, d.receipt)
	}
	if time.Now().After(d.deadline) {
		h.violated("deadline kept", "delivery %s was answered %s after its deadline", d.name, time.Since(d.deadline))
	}
	h.end(d)
}

// kill lets processes die. What they have asked for meanwhile is lost, or still on its
// way.
func (h *history) kill(which []*delivery, onTheWire bool) {
	for _, d := range which {
		for _, c := range d.pending {
			if onTheWire && c.mutates {
				c.since = time.Now()
				h.wire = append(h.wire, c)
			}
		}
		h.end(d)
	}
}

func (h *history) violated(invariant, format string, args ...any) {
	if h.broken == nil {
		h.broken = &Broken{Invariant: invariant, What: fmt.Sprintf(format, args...)}
	}
}

// sorted are the calls that wait, in an order that is the same in every replay.
func (d *delivery) sorted() []*call {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.Clone(d.pending)
	slices.SortStableFunc(all, func(a, b *call) int { return cmp.Compare(a.what, b.what) })
	return all
}
