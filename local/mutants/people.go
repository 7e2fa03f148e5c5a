package main

const (
	ended  = "Cancel|DroppedDead"
	hurry  = "RetriedNow"
	listed = "WithoutARunIsListed"
)

// people are faults of what people ask for by hand, and of what they are told.
func people() []mutant {
	return []mutant{
		{
			id: "P1", what: "the message of a cancelled run is retried when it comes",
			edits: []edit{{inRetry, "	if run.Ended() { // a person has ended it: only who asks anew is asking", "	if run.Ended() && f.By == ledger.AnEvent {"}},
			tests: []tests{world(ended)},
		},
		{
			id: "P2", what: "a request from before the cancel is retried",
			edits: []edit{{inRetry, "f.By != ledger.AtHand && f.By != ledger.AForce || !f.Request.SentAt.IsZero() && ended.After(f.Request.SentAt)", "f.By != ledger.AtHand && f.By != ledger.AForce"}},
			tests: []tests{world(ended)},
		},
		{
			id: "P3", what: "a run of which a call is under way or lost is cancelled",
			edits: []edit{
				{inRetry, "	return s == ledger.Deferred || s == ledger.Returned", "	return s == ledger.Unconfirmed || s == ledger.InFlight || s == ledger.Deferred || s == ledger.Returned"},
				{inLedger, "From: []State{Returned, Deferred, Searched, CannotTell}, Op: OpCancel", "From: []State{Returned, Deferred, Searched, CannotTell, Unconfirmed, InFlight}, Op: OpCancel"},
			},
			tests: []tests{world("UnderWayOrLost"), whole("internal/ledger")},
		},
		{
			id: "P4", what: "a run that is retried now passes over the budget",
			edits: []edit{{inRetry, "	if f.Request.Force || f.By == ledger.ASweep {\n		return Step{}, false\n	}\n	of, until", "	if f.Request.Force || f.Request.Now || f.By == ledger.ASweep {\n		return Step{}, false\n	}\n	of, until"}},
			tests: []tests{world(hurry)},
		},
		{
			id: "P5", what: "a run that must go on waiting is put on the queue once more",
			edits: []edit{{inRetry, "	if f.Request.Now { // its message waits, and goes on waiting", "	if false {"}},
			tests: []tests{world(hurry)},
		},
		{
			id: "P6", what: "a sweep takes up what a person has ended, for another sandbox",
			edits: []edit{{inRetry, "	case run.Ended():\n		return Reason(run.Reason), \"a person has ended it\"\n", ""}},
			tests: []tests{whole("internal/retry")},
		},
		{
			id: "P7", what: "a dead letter that is sent again stays on the list",
			edits: []edit{{inHandler, "d.letter != nil && !d.comesAgain()", "d.letter != nil && d.comesAgain()"}},
			tests: []tests{world(listed)},
		},
		{
			id: "P8", what: "a dataflow that Adobe does not know is paused",
			edits: []edit{{inHandler, "	case errors.As(err, new(*dataflow.UnknownError)):\n		d.mistake", "	case errors.As(err, new(*dataflow.UnknownError)) && cmd.FlowID == \"\":\n		d.mistake"}},
			tests: []tests{whole("internal/handler")},
		},
		{
			id: "P9", what: "a duplicate costs a write each time",
			edits: []edit{{inRetry, "known && now.Sub(last) < ledger.PulseInterval && !now.Before(last)", "known && now.Before(last)"}},
			tests: []tests{world("CallsPerRetry"), whole("internal/retry")},
		},
	}
}
