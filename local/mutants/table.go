package main

import "slices"

// world are tests of the whole function, in simulated surroundings. The patterns stand
// below, by subject: after a test is renamed, its name is mended there.
func world(pattern string) tests {
	return tests{pkg: "functions/retrigger", run: pattern, args: []string{"-rapid.nofailfile"}}
}

// whole are all tests of a package whose tests are quick.
func whole(pkg string) tests { return tests{pkg: pkg} }

const (
	crashes   = "TestCrash"
	lineages  = "RetriesOfAFailingDataflowEnd|RunsOfALineage|TwoLostCallsOf"
	lostCalls = "LostCall|LostRetrigger|ExtraRetrigger|RunMadeAfterTheTimeout|BeforeTheSearch"
	pauses    = "TestPause"
	breakers  = "Breaker"
	forced    = "Force"
	poison    = "Poison"
	waits     = "BeforeItsQueueDeletesIt|WaitingMessage"
	letters   = "DeadLetterNames|RedrivenDeadLetter"
	deadlines = "AnswerComesInTime|Deadline"
	refusals  = "A429|TheGateway"
	ledgerOut = "WithoutTheLedger|ClaimWhoseAnswer|CouldNotBeRecorded"
	others    = "RunsOfOtherOrgs"
	byHand    = "RetryByHandIs|CallsPerRetry|FirstRetryAtOnce"
	noticed   = "Episode|ACrashDoubles|ABusThatIsGone|ASuccessEnds"
)

// The invariants that CI's mutants break.
const (
	bounded        = "bounded"
	once           = "once"
	nothingVanish  = "nothing vanishes"
	noLedgerNoCall = "no ledger, no call"
)

const (
	inLedger  = "internal/ledger"
	inRetry   = "internal/retry"
	inHandler = "internal/handler"
	inSweep   = "internal/sweep"
)

// table returns all mutants.
func table() []mutant {
	return slices.Concat(stores(), invariants(), review(), beginnings(), notices(), episodes(), metrics(), people(), connections())
}

// stores are the broken stores of functions/retrigger/model_test.go, as faults of the code.
func stores() []mutant {
	return []mutant{
		{
			id: "S1", what: "the claim is dropped: nothing is written before the call", invariant: once,
			edits: []edit{{inLedger, "l.commit(ctx, change{op: OpClaim, by: o.By, now: now, old: e, next: next})", "next, error(nil)"}},
			tests: []tests{world(crashes)},
		},
		{
			id: "S2", what: "attempts are counted for each run, and a child begins at 0", invariant: bounded,
			edits: []edit{{inLedger, "= parent.Root, parent.RunID, parent.Used(), parent.Forgiven", "= parent.Root, parent.RunID, 0, parent.Forgiven"}},
			tests: []tests{whole("internal/ledger"), world(lineages)},
		},
		{
			id: "S3", what: "the outcome is recorded before the call", invariant: once,
			edits: []edit{{inRetry, "	made, err := w.retrigger(account)\n	return w.record(made, err)\n", "	claimed := w.claimed\n	w.release(\"\")\n	w.claimed = claimed\n	made, err := w.retrigger(account)\n	return w.record(made, err)\n"}},
			tests: []tests{world(crashes)},
		},
		{
			id: "S4", what: "the slot is ignored: a second call of the dataflow is sent beside a lost one", invariant: once,
			edits: []edit{
				{inRetry, "	if call == nil || f.By == ledger.ASweep {", "	if call == nil || f.By != \"\" {"},
				{inLedger, "	case slot != nil:\n		return fmt.Errorf(\"the slot", "	case slot != nil && by == \"\":\n		return fmt.Errorf(\"the slot"},
			},
			tests: []tests{world(lostCalls), world(crashes)},
		},
		{
			id: "S5", what: "the search for a lost call's run does not compare the client id", invariant: once,
			edits: []edit{{inLedger, "if runID == c.RunID || clientID != c.ClientID {", "if runID == c.RunID {"}},
			tests: []tests{whole("internal/ledger"), world(lostCalls)},
		},
	}
}

// invariants are CI's other mutants.
func invariants() []mutant {
	return []mutant{
		{
			id: "I1", what: "a lost call is sent once more without a second search", invariant: once,
			edits: []edit{{inRetry, "	case !f.searched(run.Lost):\n		return Step{Do: SearchCall, Call: run.Lost, Rule: 16}, true\n	case !again &&", "	case !again &&"}},
			tests: []tests{whole("internal/retry"), world("ByTheSecondSearch")},
		},
		{
			id: "I2", what: "a dead letter is acknowledged that could not be written", invariant: nothingVanish,
			edits: []edit{{inRetry, "	cancel()\n	if err != nil {\n		w.unreserve(DeadLetterQueueUnavailable)", "	cancel()\n	if err != nil && w.deadLetters == nil {\n		w.unreserve(DeadLetterQueueUnavailable)"}},
			tests: []tests{world("DeadLetterThatCantBeWritten")},
		},
		{
			id: "I3", what: "a message is deleted before its outcome is durable", invariant: nothingVanish,
			edits: []edit{{inHandler, "return d.results.returned() > 0 || d.fault != nil", "return d.fault != nil"}},
			tests: []tests{whole("internal/handler"), world(ledgerOut)},
		},
		{
			id: "I4", what: "the call is sent although the claim's write has failed", invariant: noLedgerNoCall,
			edits: []edit{{inRetry, "	case failed != nil: // if it is written, its lease ends, and a search finds nothing\n		return new(w.unavailable(err))", "	case failed != nil:\n		w.claimed = claimed\n		return nil"}},
			tests: []tests{world("NeitherTheClaimNorItsReading")},
		},
		{
			id: "I5", what: "a kept call is linked although a call of another run fits, too", invariant: bounded,
			edits: []edit{{inRetry, "	case cut || !known:", "	case cut || !known && len(calls) == 0:"}},
			tests: []tests{whole("internal/retry"), world("EitherOfTwoLostCalls")},
		},
	}
}

// review are the mutants of the review of the engine before this one. Where their mechanism
// is gone, its successor is broken.
func review() []mutant {
	return []mutant{
		{
			id: "M01", what: "kept calls are never dropped, however old",
			edits: []edit{{inLedger, "f.Kept[0].Until.Before(oldest)", "f.Kept[0].Until.Before(oldest.Add(-10*LostCallRetention))"}},
			tests: []tests{whole("internal/ledger"), world(lostCalls)},
		},
		{
			id: "M02", what: "a call without effect stays counted in its dataflow's budget",
			edits: []edit{{inLedger, "		next.Flow.spend(c.call.At, window, -1)\n", ""}},
			tests: []tests{whole("internal/ledger"), world("StayWithinTheBudget")},
		},
		{
			id: "N01", what: "failed deliveries are not counted",
			edits: []edit{{inLedger, "r.Faults, r.LastFault, r.FaultAt = r.Faults+1, delivery, now", "r.LastFault, r.FaultAt = delivery, now"}},
			tests: []tests{whole("internal/ledger")},
		},
		{
			id: "N02", what: "a lost call that a dataflow drops leaves no mark",
			edits: []edit{{inLedger, "		f.Cut = f.Cut.and(f.Kept[0])\n", ""}},
			tests: []tests{whole("internal/ledger")},
		},
		{
			id: "N03", what: "a superseded run is sent for an event",
			edits: []edit{{inRetry, "	case run.Superseded && f.By != ledger.AtHand", "	case false && f.By != ledger.AtHand"}},
			tests: []tests{whole("internal/retry")},
		},
		{
			id: "N04", what: "what was asked for earlier undoes a later pause",
			edits: []edit{{"internal/throttle", "at+askedSkew.Milliseconds() < before", "false && at < before"}},
			tests: []tests{whole("internal/throttle")},
		},
		{
			id: "M02b", what: "a call without effect stays counted in its org's budget",
			edits: []edit{{inRetry, "	w.returnBudget()\n	return w.unclaim(reason)", "	return w.unclaim(reason)"}},
			tests: []tests{world("ReleasedCall")},
		},
		{
			id: "M03", what: "a kept call stays after its run was found and linked",
			edits: []edit{{inLedger, "	next.Flow.Kept = slices.DeleteFunc(slices.Clone(parent.Flow.Kept), func(c Call) bool { return c.ID == call.ID })\n", ""}},
			tests: []tests{whole("internal/ledger"), world(lostCalls)},
		},
		{
			id: "M04", what: "a dead letter forgets that whether its run was re-triggered can't be told",
			edits: []edit{{inLedger, "		next.Run.Before = before // for example, cannot_tell", "		_ = before // for example, cannot_tell"}},
			tests: []tests{whole("internal/ledger"), world(letters), world(lostCalls)},
		},
		{
			id: "M05", what: "a child of a run that was sent twice inherits one send",
			edits: []edit{{inLedger, "= parent.Root, parent.RunID, parent.Used(), parent.Forgiven", "= parent.Root, parent.RunID, parent.Attempt+1, parent.Forgiven"}},
			tests: []tests{whole("internal/ledger"), world(lostCalls)},
		},
		{
			id: "M06", what: "a lost call may have made runs that were created long after its window",
			edits: []edit{{inLedger, "createdAt.Before(c.Until.Add(LostCallWindow+MaxClockSkew))", "createdAt.Before(c.Until.Add(LostCallWindow+4*MaxClockSkew))"}},
			tests: []tests{whole("internal/ledger"), world(lostCalls)},
		},
		{
			id: "M07", what: "a claim is written over another run's call in the slot",
			edits: []edit{{inLedger, "	case slot != nil:\n		return fmt.Errorf(\"the slot", "	case slot != nil && by == \"\":\n		return fmt.Errorf(\"the slot"}},
			tests: []tests{whole("internal/ledger")},
		},
		{
			id: "M08", what: "the claim's lease ends 20 seconds before the invocation",
			edits: []edit{{inRetry, "	w.until = deadline\n", "	w.until = deadline.Add(-20 * time.Second)\n"}},
			tests: []tests{world("AnsweredLate")},
		},
		{
			id: "M09", what: "a pause is not seen that began while a run waited for another of its dataflow",
			edits: []edit{{inRetry, "	return true, w.look(w.delivery.Batch)\n", "	pause := w.facts.Pause\n	end = w.look(w.delivery.Batch)\n	w.facts.Pause = pause\n	return true, end\n"}},
			tests: []tests{world(pauses)},
		},
		{
			id: "M10", what: "messages wait for 15 days, longer than their queue keeps them",
			edits: []edit{{inHandler, "maxWait = 13 * 24 * time.Hour", "maxWait = 15 * 24 * time.Hour"}},
			tests: []tests{whole("internal/handler"), world(waits)},
		},
		{
			id: "M11", what: "the longest visibility timeout has no margin below SQS's limit",
			edits: []edit{{"internal/requestqueue", "12*time.Hour - 15*time.Minute", "12 * time.Hour"}},
			tests: []tests{whole("internal/requestqueue")},
		},
		{
			id: "M12", what: "the ledger's reads may be old",
			edits: []edit{{"internal/store/dynamo", "ConsistentRead: aws.Bool(true)", "ConsistentRead: aws.Bool(false)"}},
			tests: []tests{whole("internal/store/dynamo")},
		},
		{
			id: "M13", what: "a pause that lasts is forgotten after a while",
			edits: []edit{{"internal/throttle", "if !slices.ContainsFunc(next.Pauses, Pause.lasts) {", "if true || !slices.ContainsFunc(next.Pauses, Pause.lasts) {"}},
			tests: []tests{whole("internal/throttle")},
		},
		{
			id: "M14", what: "entries live for a day",
			edits: []edit{{inLedger, "store.TTL(now.Add(keep))", "store.TTL(now.Add(keep/35))"}},
			tests: []tests{whole("internal/ledger"), world(lineages)},
		},
		{
			id: "M15", what: "how often a request was put on its queue is not counted",
			edits: []edit{{inRetry, "req.Due, req.Requeues = due, req.Requeues+1", "req.Due = due"}},
			tests: []tests{world("EachRequeue")},
		},
		{
			id: "M16", what: "a single secret serves every org",
			edits: []edit{{"internal/credentials", "(orgID == \"\" || account.OrgID == orgID)", "(orgID == \"\" || account.OrgID == orgID || len(s.entries) == 1)"}},
			tests: []tests{whole("internal/credentials")},
		},
		{
			id: "M17", what: "runs are begun for which no time is left",
			edits: []edit{{inHandler, "	if !w.engine.TimeFor(ctx) {", "	if w.engine == nil {"}},
			tests: []tests{whole("internal/handler"), world("NoTimeIsLeft")},
		},
		{
			id: "M18", what: "a call without a clear answer stays in flight until its lease ends",
			edits: []edit{{inLedger, "			slot.Until = now\n", "			_ = now\n"}},
			tests: []tests{whole("internal/ledger"), world(lostCalls)},
		},
		{
			id: "M19", what: "two invocations work on one sweep",
			edits: []edit{{inSweep, "	if now.Before(p.Lease) {", "	if now.Before(time.Time{}) {"}},
			tests: []tests{whole("internal/sweep"), world("ASweepListsNothing")},
		},
		{
			id: "M20", what: "a sweep takes runs of other sandboxes",
			edits: []edit{{inSweep, "run.SandboxName != \"\" && run.SandboxName != target.Sandbox", "false"}},
			tests: []tests{whole("internal/sweep"), world(others)},
		},
		{
			id: "M21", what: "no time is kept back for Lambda's answer",
			edits: []edit{{inHandler, "const answerTime = 500 * time.Millisecond", "const answerTime = 0 * time.Millisecond"}},
			tests: []tests{world(deadlines)},
		},
		{
			id: "M22", what: "a slow-down of this process is forgotten when the shared record is read",
			edits: []edit{{"internal/throttle", "		read.Slow[org] = read.Slow[org].worse(s, now)\n", "		_, _ = org, s\n"}},
			tests: []tests{whole("internal/throttle")},
		},
		{
			id: "M23", what: "a run that has succeeded does not begin the breaker's count anew",
			edits: []edit{{inRetry, "	case f.Succeeded == Yes && (open || exhausted && opensBreaker(f, r)):", "	case f.Succeeded == Yes && open:"}},
			tests: []tests{whole("internal/retry"), world(breakers)},
		},
		{
			id: "M24", what: "the ledger is not read again after the search for a lost call's run",
			edits:    []edit{{inRetry, "	f.Parent = nil // it is read after the search\n", ""}},
			tests:    []tests{world("LostCallThatTakesEffectLate|AfterAConflict")},
			survives: "each write has the condition that the entries are as they were read: it fails for old ones, and they are read then",
		},
		{
			id: "M24b", what: "after a conflict the old entries are decided on again",
			edits: []edit{{inRetry, "	case conflicts(err):\n		return false, w.look(nil)\n", "	case conflicts(err):\n		return false, nil\n"}},
			tests: []tests{world("AfterAConflict")},
		},
		{
			id: "M25", what: "the search takes runs that the ledger knows as made by another call",
			edits: []edit{{inRetry, "		case child.Parent != \"\": // another call has made it\n", "		case child.Parent != \"\" && child.Sends > 0:\n"}},
			tests: []tests{whole("internal/retry"), world(lostCalls), world(lineages)},
		},
		{
			id: "M26", what: "a message that crashes the function is delivered for ever",
			edits: []edit{{inHandler, "poisonAfter = 50", "poisonAfter = 5000"}},
			tests: []tests{whole("internal/handler"), world(poison)},
		},
		{
			id: "M27", what: "a sweep goes on although the ledger does not have what it has sent",
			edits: []edit{{inSweep, "	if err := unnoted.Load(); err != nil {\n		return *err\n	}\n", "	_ = unnoted.Load()\n"}},
			tests: []tests{whole("internal/sweep"), world("DoesNotEndBefore")},
		},
		{
			id: "M28", what: "a call without effect counts as an attempt",
			edits: []edit{{inLedger, "		next.Run.Sends--\n", ""}},
			tests: []tests{whole("internal/ledger"), world(refusals)},
		},
		{
			id: "M29", what: "a claim under which nothing was sent is not given back",
			edits: []edit{{inRetry, "	if end := w.release(step.Reason); end != nil {\n		return end\n	}\n", ""}},
			tests: []tests{whole("internal/retry"), world("ClaimIsReleased")},
		},
		{
			id: "M30", what: "a dead letter has the due time and the attempts that its message came with",
			edits: []edit{{inRetry, "req.Due, req.Root, req.Parent, req.Attempts, req.Requeues = time.Time{}, rootOf(&w.facts), run.Parent, run.Used(), 0", "req.Root, req.Parent = rootOf(&w.facts), run.Parent"}},
			tests: []tests{whole("internal/retry"), world(letters)},
		},
		{
			id: "M31", what: "a run that has waited for another of its dataflow goes on with its old decision",
			edits: []edit{{inRetry, "	return true, w.look(w.delivery.Batch)\n", "	return false, w.look(w.delivery.Batch)\n"}},
			tests: []tests{world(pauses)},
		},
		{
			id: "M32", what: "a child forgets what a person has forgiven its lineage",
			edits: []edit{{inLedger, "= parent.Root, parent.RunID, parent.Used(), parent.Forgiven", "= parent.Root, parent.RunID, parent.Used(), 0"}},
			tests: []tests{whole("internal/ledger"), world(forced)},
		},
		{
			id: "W1", what: "the data windows of runs and lost calls are not compared",
			edits: []edit{{inLedger, "same := slices.IndexFunc(calls, func(c Call) bool { return c.Window.Same(window) })", "same := -1"}},
			tests: []tests{whole("internal/ledger"), whole("internal/retry"), world("ItsDataWindow")},
		},
		{
			id: "W2", what: "a run of another data window than a lost call's was not made by it",
			edits: []edit{{inRetry, "call.MayHaveMade(run.ID, run.CreatedClient, createdAt) {", "call.MayHaveMade(run.ID, run.CreatedClient, createdAt) && (call.Window.IsZero() || run.Window().IsZero() || run.Window().Same(call.Window)) {"}},
			tests: []tests{world("AnotherDataWindow")},
		},
		{
			id: "H1", what: "a run of our own counts as a retry by hand",
			edits: []edit{{inRetry, "		if e.Run.Parent != \"\" { // one of our re-triggers has made it\n			continue\n		}\n", ""}},
			tests: []tests{whole("internal/retry")},
		},
		{
			id: "H2", what: "a run that a lost call may have made counts as a retry by hand",
			edits: []edit{{inRetry, "if cut || len(calls) > 0 || flow.Slot != nil && flow.Slot.MayHaveMade(r.ID, r.Client, r.CreatedAt) {", "if cut && len(calls) > 0 {"}},
			tests: []tests{whole("internal/retry")},
		},
		{
			id: "H3", what: "a run is sent although somebody has retried it by hand",
			edits: []edit{{inRetry, "case f.Newer.Answer == No:", "case f.Newer.Answer != NotAsked:"}},
			tests: []tests{whole("internal/retry"), world(byHand)},
		},
		{
			id: "H4", what: "a retry at once asks for one by hand",
			edits: []edit{{inRetry, "askAfter = 10 * time.Minute", "askAfter = 0"}},
			tests: []tests{whole("internal/retry"), world(byHand)},
		},
	}
}

// beginnings are faults of what makes the first days of a stack safe.
func beginnings() []mutant {
	return []mutant{
		{
			id: "B1", what: "a function that only observes sends",
			edits: []edit{{inRetry, "return f.Request.DryRun || f.Observed && !f.kept()", "return f.Request.DryRun"}},
			tests: []tests{world("TestObserveMode")},
		},
		{
			id: "B2", what: "what was on the queue before the function only observes is answered and gone",
			edits: []edit{{inRetry, "!f.Request.DryRun && (f.Again || f.waitsOnQueue())", "!f.Request.DryRun && f.waitsOnQueue()"}},
			tests: []tests{world("ObserveModeBegins")},
		},
		{
			id: "B3", what: "a scheduled sweep looks back beyond the ledger's birth",
			edits: []edit{{inSweep, "	if born.After(instant(w.req.Since)) {", "	if born.IsZero() {"}},
			tests: []tests{whole("internal/sweep"), world("NewStacksSchedules")},
		},
		{
			id: "B4", what: "a sweep that could not ask for the ledger's birth goes on without it",
			edits: []edit{{inSweep, "		r.Request.Since = \"\" // it is bounded when the ledger's birth is known\n", ""}},
			tests: []tests{whole("internal/sweep"), world("PermissionToAsk")},
		},
		{
			id: "R1", what: "a sweep does not count its calls for the ends of runs",
			edits: []edit{{inSweep, "			w.at.Ends--\n", ""}},
			tests: []tests{whole("internal/sweep")},
		},
		{
			id: "R2", what: "many runs without an end keep the others from being asked for",
			edits: []edit{{inSweep, "	case more:\n		w.saveCursor(w.at.OrgID, plan.last)\n", "	case more:\n"}},
			tests: []tests{whole("internal/sweep")},
		},
		{
			id: "R3", what: "a success counts as a recovery each time that it is told",
			edits: []edit{{inRetry, "		if entries.Run.State != ledger.Made {\n", "		if entries.Run.State == ledger.NoEntry {\n"}},
			tests: []tests{whole("internal/retry"), world("Recover|ASecondEventOfASuccess|HourlySweep")},
		},
	}
}
