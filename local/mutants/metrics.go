package main

// metrics are faults of what alarms rest on.
func metrics() []mutant {
	return []mutant{
		{
			id: "T1", what: "zeros are written, and paid for",
			edits: []edit{{"internal/telemetry", "		if c.Value == 0 {\n			continue\n		}\n", ""}}, tests: []tests{whole("internal/telemetry")},
		},
		{
			id: "T2", what: "a message that waits looks like an event that comes",
			edits: []edit{{inHandler, "	if d.again {\n		return 0\n	}\n", ""}}, tests: []tests{whole(inHandler)},
		},
		{
			id: "T3", what: "a sweep that finds nothing looks like none",
			edits: []edit{{inHandler, "d.sweepResult.Report.State != sweep.Refused\n", "d.sweepResult.Report.State != sweep.Refused && d.sweepResult.Added.Seen > 0\n"}}, tests: []tests{whole(inHandler)},
		},
		{
			id: "T4", what: "only calls to Flow Service that succeed are measured",
			edits: []edit{{"pkg/flowclient", "	if c.observe != nil {\n", "	if c.observe != nil && lost == nil && answer.ok() {\n"}}, tests: []tests{whole("pkg/flowclient")},
		},
	}
}
