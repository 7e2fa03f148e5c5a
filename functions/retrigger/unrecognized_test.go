package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestARedriveLosesNoDeadLetterOfAnEventWithoutARun: the dead letter of the hour is the
// only copy of the shape.
func TestARedriveLosesNoDeadLetterOfAnEventWithoutARun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 3 {
			w.Send(onBus(fmt.Sprintf(`{"runIdentifier":"r%d"}`, i)))
		}
		w.Drain(time.Minute)
		for range 3 {
			w.redrive()
			w.Drain(time.Minute)
			letters := w.AWS.Messages(w.Letters)
			if len(letters) != 1 || !strings.Contains(letters[0].Body, "runIdentifier") || letters[0].Attributes["reason"].StringValue != "unrecognized" {
				t.Fatalf("%d dead letters after a redrive\n%s", len(letters), w)
			}
		}
	})
}

// TestEventsOfOneShapeInOneDeliveryAreOneDeadLetter, as in a batch or a page of a journal.
func TestEventsOfOneShapeInOneDeliveryAreOneDeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		page := []string{`{"position":"0","event":` + string(w.Adobe.FailureEvent(id)) + `}`}
		for i := range 40 {
			page = append(page, fmt.Sprintf(`{"position":"%d","event":{"event_id":"%d","event":{"runIdentifier":"r%d"}}}`, i, i, i))
		}
		w.Direct([]byte(`{"events":[`+strings.Join(page, ",")+`],"_page":{}}`), func() *process { return w.Start(-1, false) })
		w.Drain(time.Minute)
		if letters := w.AWS.Messages(w.Letters); len(letters) != 1 || w.Logs.Sum("unrecognized") != 40 || w.Adobe.Retriggers(id) != 1 {
			t.Errorf("%d dead letters, %d counted, %d re-triggers", len(letters), w.Logs.Sum("unrecognized"), w.Adobe.Retriggers(id))
		}
	})
}
