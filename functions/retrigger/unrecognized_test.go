package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRedriveLosesNoDeadLetterOfAnEventWithoutARun: The hour's dead letter is the only
// copy of the event's shape.
func TestRedriveLosesNoDeadLetterOfAnEventWithoutARun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 3 {
			w.Send(onBus(fmt.Sprintf(`{"runIdentifier":"r%d"}`, i)))
		}
		w.Drain(time.Minute)
		for range 3 {
			w.redrive()
			w.Drain(time.Minute)
			letters := w.AWS.Messages(w.DeadLetterQueue)
			if len(letters) != 1 || !strings.Contains(letters[0].Body, "runIdentifier") || letters[0].Attributes["reason"].StringValue != "unrecognized" {
				t.Fatalf("%d dead letters after a redrive\n%s", len(letters), w)
			}
		}
	})
}

// TestEventsOfOneShapeInOneDeliveryAreOneDeadLetter: A batch or a page of a journal may
// have many events of one shape.
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
		if letters := w.AWS.Messages(w.DeadLetterQueue); len(letters) != 1 || w.Logs.Sum("unrecognized") != 40 || w.Adobe.Retriggers(id) != 1 {
			t.Errorf("%d dead letters, %d counted, %d re-triggers", len(letters), w.Logs.Sum("unrecognized"), w.Adobe.Retriggers(id))
		}
	})
}

func TestEventWithALayerThatAdobeHasNotDocumentedIsRetried(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Send(onBus(`{"notification":{"payload":` + string(w.Adobe.FailureEvent(id)) + `}}`))
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("it was re-triggered %d times\n%s", n, w)
		}
	})
}

func TestEventsWithoutARunAreOneDeadLetterForEachShapeAndHour(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 20 {
			w.Send(onBus(fmt.Sprintf(`{"runIdentifier":"r%d","state":{"now":"FAILED"}}`, i)))
		}
		w.Send(onBus(`{"another":{"shape":1}}`))
		w.Drain(20 * time.Minute)
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 2 || w.Logs.Sum("unrecognized") != 21 || w.Logs.Sum("dead_lettered") != 21 || w.Logs.Sum("skipped") != 0 {
			t.Fatalf("%d dead letters, metrics unrecognized %d, dead_lettered %d, skipped %d", len(letters), w.Logs.Sum("unrecognized"), w.Logs.Sum("dead_lettered"), w.Logs.Sum("skipped"))
		}
		pass(time.Hour)
		w.Send(onBus(`{"runIdentifier":"r","state":{"now":"FAILED"}}`))
		w.Drain(20 * time.Minute)
		letters = w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 3 || !strings.Contains(letters[2].Attributes["error"].StringValue, "so far: 21;") {
			t.Fatalf("%d dead letters, the last says %q", len(letters), letters[len(letters)-1].Attributes["error"].StringValue)
		}
		if got := letters[0].Attributes["reason"].StringValue; got != "unrecognized" || !strings.Contains(letters[0].Body, "runIdentifier") {
			t.Errorf("the first is %q: %s", got, letters[0].Body)
		}
	})
}

func TestEventsWithoutARunAreDeadLettersWithoutTheLedger(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Faults.Fail(100, 0)
		w.Send(onBus(`{"a":1}`))
		w.Send(onBus(`{"a":2}`))
		w.Drain(time.Minute)
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 2 {
			t.Errorf("%d dead letters, want both", n)
		}
	})
}
