package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// received is a message of an SQS batch, which is on the simulated request queue while the
// function works on it.
type received struct{ id, receipt, body string }

// receive puts the messages of an SQS batch on the request queue, as messages that were
// received, and gives the batch their receipt handles. Any other event it leaves as it is.
func receive(s *stack.Stack, payload []byte) ([]byte, []received) {
	records, isBatch, err := event.SQSRecords(payload)
	if !isBatch || err != nil || len(records) == 0 {
		return payload, nil
	}
	var whole map[string]json.RawMessage
	list := payload
	if json.Unmarshal(payload, &whole) == nil {
		list = whole["Records"]
	}
	var raw []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(list))
	decoder.UseNumber()
	if decoder.Decode(&raw) != nil || len(raw) != len(records) {
		return payload, nil
	}
	batch := make([]received, len(records))
	for i, r := range records {
		batch[i] = received{r.MessageID, awssim.PutReceived(s.AWS, s.RequestQueueURL, r.MessageID, r.Body), r.Body}
		raw[i]["receiptHandle"] = batch[i].receipt
	}
	list, err = json.Marshal(raw)
	if err == nil && whole != nil {
		whole["Records"] = list
		list, err = json.Marshal(whole)
	}
	if err != nil { // it was JSON
		return payload, nil
	}
	return list, batch
}

// fates says what became of each message: of those of the batch, and of those that the
// function has sent.
func fates(out io.Writer, s *stack.Stack, batch []received, answer lambdaenv.Response) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	records := map[string]stack.Record{} // the last one of each run
	for _, r := range s.Log.Records() {
		records[r.RunID] = r
	}
	say("\nMessages:")
	returned := returnedIDs(answer)
	for _, m := range batch {
		if answer.FunctionError == "" && !returned[m.id] {
			s.AWS.Delete(s.RequestQueueURL, m.receipt)
			say("  message %s is done: SQS deletes it", m.id)
		}
	}
	waiting, letters := s.AWS.Messages(s.RequestQueueURL), s.AWS.Messages(s.DeadLetterQueueURL)
	for _, m := range waiting {
		name := "a new message"
		if returned[m.ID] || answer.FunctionError != "" && isOf(batch, m.ID) {
			name = "message " + m.ID
		}
		say("  %s is on the request queue %s: %s", name, until(m.VisibleAt), why(m.Body, records, answer))
	}
	for _, m := range letters {
		say("  a dead letter is on the dead-letter queue (%s): %s", cmp.Or(m.Attributes["reason"].StringValue, "no reason"), cmp.Or(m.Attributes["error"].StringValue, about(m.Body, records)))
		say("%s", indent(indented([]byte(m.Body))))
	}
	if len(batch)+len(waiting)+len(letters) == 0 {
		say("  none: nothing waits, and nothing was given up")
	}
}

// returnedIDs are the ids of a partial batch response.
func returnedIDs(answer lambdaenv.Response) map[string]bool {
	var response struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	_ = json.Unmarshal(answer.Payload, &response) // another answer returns none
	ids := map[string]bool{}
	for _, f := range response.BatchItemFailures {
		ids[f.ItemIdentifier] = true
	}
	return ids
}

func isOf(batch []received, id string) bool {
	for _, m := range batch {
		if m.id == id {
			return true
		}
	}
	return false
}

// until says when a message is delivered.
func until(at time.Time) string {
	left := time.Until(at).Round(time.Second)
	if left <= 0 {
		return "and can be delivered"
	}
	return "until " + at.UTC().Format(time.RFC3339) + " (in " + left.String() + ")"
}

// why says why a message waits.
func why(body string, records map[string]stack.Record, answer lambdaenv.Response) string {
	if answer.FunctionError != "" {
		return "the function failed, and SQS delivers it again"
	}
	return about(body, records)
}

// about says what the function said of a message's runs.
func about(body string, records map[string]stack.Record) string {
	decoded, err := event.Decode([]byte(body))
	switch {
	case err != nil:
		return err.Error()
	case decoded.Sweep != nil:
		return "the next part of a sweep"
	}
	var said []string
	for _, item := range decoded.Items {
		if item.Request == nil {
			continue
		}
		said = append(said, "run "+item.Request.RunID+" "+became(item.Request.RunID, records))
	}
	return cmp.Or(strings.Join(said, "; "), "it names no run")
}

// became says what the function said of a run.
func became(runID string, records map[string]stack.Record) string {
	r, found := records[runID]
	switch {
	case !found:
		return "is yet to be worked on"
	case r.Detail != "":
		return "is " + strings.TrimSpace(r.Outcome+" "+r.Reason) + ", " + r.Detail
	default:
		return "is " + strings.TrimSpace(r.Outcome+" "+r.Reason)
	}
}

// indent moves a text to the right.
func indent(text string) string {
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}
