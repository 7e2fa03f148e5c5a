package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestARedriveLosesNoLetterOfAnEventWithoutARun: the letter of the hour is the only copy
// of the shape.
func TestARedriveLosesNoLetterOfAnEventWithoutARun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 3 {
			w.send(onBus(fmt.Sprintf(`{"runIdentifier":"r%d"}`, i)))
		}
		w.drain(time.Minute)
		for range 3 {
			w.redrive()
			w.drain(time.Minute)
			letters := w.aws.Messages(w.letters)
			if len(letters) != 1 || !strings.Contains(letters[0].Body, "runIdentifier") || letters[0].Attributes["reason"].StringValue != "unrecognized" {
				t.Fatalf("%d dead letters after a redrive\n%s", len(letters), w)
			}
		}
	})
}

// TestEventsOfOneShapeInOneDeliveryAreOneLetter, as in a batch or a page of a journal.
func TestEventsOfOneShapeInOneDeliveryAreOneLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.fail("f")
		page := []string{`{"position":"0","event":` + string(w.adobe.FailureEvent(id)) + `}`}
		for i := range 40 {
			page = append(page, fmt.Sprintf(`{"position":"%d","event":{"event_id":"%d","event":{"runIdentifier":"r%d"}}}`, i, i, i))
		}
		w.direct([]byte(`{"events":[`+strings.Join(page, ",")+`],"_page":{}}`), func() *process { return w.start(-1, false) })
		w.drain(time.Minute)
		if letters := w.aws.Messages(w.letters); len(letters) != 1 || w.logs.sum("unrecognized") != 40 || w.adobe.Retriggers(id) != 1 {
			t.Errorf("%d dead letters, %d counted, %d re-triggers", len(letters), w.logs.sum("unrecognized"), w.adobe.Retriggers(id))
		}
	})
}
