package main

const (
	inClient    = "pkg/flowclient"
	inHeadstart = "internal/headstart"
)

// connections are faults of what connections are trusted with, and of what a start fetches.
func connections() []mutant {
	dead := []tests{{pkg: inClient, run: "Connection"}}
	start := []tests{world("TheStart|NoToken")}
	return []mutant{
		{
			id: "C1", what: "a re-trigger is sent over a connection that was idle for long, by the wall clock",
			edits: []edit{{inClient, "age >= 0 && age < IdleTimeout)", "age < 24*time.Hour)"}}, tests: dead,
		},
		{
			id: "C2", what: "a re-trigger is sent over a connection that the other side has just closed",
			edits: []edit{{inClient, "if info.WasIdle && info.Conn != nil && closedMeanwhile(info.Conn) {", "if info.Conn == nil && closedMeanwhile(info.Conn) {"}}, tests: dead,
		},
		{
			id: "C3", what: "a dead connection of HTTP/2 costs every call",
			edits: []edit{{inClient, "	return !answered && t.underWay == 0\n", "	return answered && !answered\n"}}, tests: dead,
		},
		{
			id: "C4", what: "the client speaks HTTP/2, where one connection carries all calls",
			edits: []edit{{inClient, "	t.Protocols.SetHTTP1(true)\n", "	t.Protocols.SetHTTP1(true)\n	t.Protocols.SetHTTP2(true)\n"}},
			tests: []tests{{pkg: inClient, run: "DefaultTransport"}},
		},
		{
			id: "C5", what: "the start fetches a token though a person has paused",
			edits: []edit{{inHeadstart, "		if s.Observe || paused || s.paused(ctx, account.OrgID) {", "		if s.Observe || paused && s.paused(ctx, account.OrgID) {"}}, tests: start,
		},
		{
			id: "C6", what: "the start fetches a token while the function only observes",
			edits: []edit{{inHeadstart, "		if s.Observe || paused ||", "		if paused ||"}}, tests: start,
		},
		{
			id: "C7", what: "a start waits for a Secrets Manager that hangs",
			edits: []edit{{inHeadstart, "	ctx, cancel := context.WithTimeout(ctx, Limit)", "	ctx, cancel := context.WithTimeout(ctx, 5*Limit)"}}, tests: start,
		},
	}
}
