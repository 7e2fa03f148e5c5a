package main

// episodes are faults of the failing episodes and their news.
func episodes() []mutant {
	return []mutant{
		{
			id: "E1", what: "a success from before the failure ends the episode",
			edits: []edit{{inLedger, "	return e != nil && success.After(e.Last)", "	return e != nil"}},
			tests: []tests{whole("internal/ledger"), world(noticed)},
		},
		{
			id: "E2", what: "a dead letter that is sent again and given up again is news",
			edits: []edit{{inLedger, "if o.GivenUp && before != DeadLettered && e.Flow.FlowID", "if o.GivenUp && e.Flow.FlowID"}},
			tests: []tests{whole("internal/ledger")},
		},
		{
			id: "E3", what: "untold news is on no list",
			edits: []edit{{inLedger, "	f.Listed = tells && len(f.Untold()) > 0", "	f.Listed = false"}},
			tests: []tests{whole("internal/ledger"), world(noticed)},
		},
		{
			id: "E4", what: "a sweep does not tell what is untold",
			edits: []edit{{inSweep, "	teller{w}.tellUntold()\n", ""}},
			tests: []tests{whole("internal/sweep"), world(noticed)},
		},
		{
			id: "E5", what: "a notice is not marked as sent",
			edits: []edit{{inRetry, "	marked, err := t.Episodes.MarkTold(ctx, f, news...)", "	marked, err := f, error(nil)"}},
			tests: []tests{whole("internal/retry"), world(noticed)},
		},
		{
			id: "E6", what: "each write tells all news that is untold, however long the bus is away",
			edits: []edit{{inRetry, "	was := before.Untold()\n", "	was := (&ledger.Flow{}).Untold()\n	_ = before\n"}},
			tests: []tests{whole("internal/retry")},
		},
		{
			id: "E7", what: "a slow bus takes all the time that is kept for records",
			edits: []edit{{inRetry, "const noticeTime = 2 * time.Second", "const noticeTime = 2 * time.Minute"}},
			tests: []tests{whole("internal/retry")},
		},
		{
			id: "E8", what: "the end of an episode forgets what was not told of it",
			edits: []edit{{inLedger, "return !e.lasts() && (!tells || len(e.untold()) == 0)", "return !e.lasts()"}},
			tests: []tests{whole("internal/ledger"), world(noticed)},
		},
		{
			id: "E9", what: "without success events an episode never ends",
			edits: []edit{{inSweep, "		teller(w).endEpisodes(orgID)\n", ""}},
			tests: []tests{whole("internal/sweep"), world(noticed)},
		},
	}
}
