package handler

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// refuser makes dead letters of input that can't be read.
type refuser struct {
	engine  Engine
	shapes  Shapes
	log     *slog.Logger
	firstOf sync.Mutex // held while a shape's dead letter of the hour is written
}

// refuse makes a dead letter of input that can't be read. Of Adobe's events without a
// run only the first of each shape in an hour becomes a dead letter, and the handler counts
// the others. A dead letter that was sent again becomes a dead letter again: it may be the
// only one of its shape.
func (u *refuser) refuse(ctx context.Context, payload []byte, fault *event.Error, wasDeadLetter bool) retry.Result {
	if fault.Shape == "" || wasDeadLetter {
		return u.engine.Refuse(ctx, payload, fault)
	}
	seen, err := u.shapes.Seen(ctx, fault.Shape)
	if err == nil && !seen.Written { // the invocation's other events of the shape wait
		u.firstOf.Lock()
		defer u.firstOf.Unlock()
		seen, err = u.shapes.Seen(ctx, fault.Shape)
	}
	if err != nil { // seen twice is better than never
		u.log.WarnContext(ctx, "events without a run can't be counted", "error", err.Error())
		return u.engine.Refuse(ctx, payload, fault)
	}
	counted := *fault
	if seen.Written {
		counted.Message = fmt.Sprintf("%s. Events of this shape so far: %d; one of this hour is on the dead-letter queue", fault.Message, seen.Count)
		u.count(ctx, fault.Shape, false)
		return retry.Counted(&counted)
	}
	counted.Message = fmt.Sprintf("%s. Events of this shape so far: %d; further ones of this hour are counted and logged", fault.Message, seen.Count)
	result := u.engine.Refuse(ctx, payload, &counted)
	if result.Outcome == retry.DeadLettered {
		u.count(ctx, fault.Shape, true)
	}
	return result
}

func (u *refuser) count(ctx context.Context, shape string, written bool) {
	if err := u.shapes.Add(ctx, shape, written); err != nil {
		u.log.WarnContext(ctx, "an event without a run was not counted", "error", err.Error())
	}
}
