package handler

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// DeadLetters writes and logs the dead letters of sweeps.
type DeadLetters struct {
	engine Engine
	log    *slog.Logger
}

// NewDeadLetters returns DeadLetters that the engine writes.
func NewDeadLetters(engine Engine, log *slog.Logger) *DeadLetters {
	return &DeadLetters{engine: engine, log: log}
}

// Sweep makes a dead letter of what is left of a sweep; see [sweep.GiveUp].
func (l *DeadLetters) Sweep(ctx context.Context, rest event.Sweep, orgID, message string) bool {
	if rest.DryRun {
		return true // the answer says it
	}
	rest.ID, rest.Requeues = "", 0 // sent again, it is a new sweep
	body, err := json.Marshal(rest)
	if err != nil {
		l.log.ErrorContext(ctx, "a sweep could not be written", "error", err.Error())
		return false
	}
	result := l.engine.Refuse(ctx, body, &event.Error{Reason: event.SweepFailed, OrgID: orgID, Message: message})
	logResult(ctx, l.log, result)
	return result.Outcome == retry.DeadLettered
}

// Run makes a dead letter of a run that a sweep has found and can't put on the
// request queue; see [sweep.GiveUpRun].
func (l *DeadLetters) Run(ctx context.Context, req event.Request, message string) bool {
	req.Due, req.Requeues = time.Time{}, 0 // sent again, it is a new request
	result := l.engine.GiveUp(ctx, retry.Return(req, retry.Unsendable, message))
	logResult(ctx, l.log, result)
	return result.Outcome == retry.DeadLettered
}
