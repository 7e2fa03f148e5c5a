package main

const inNotice = "internal/notice"

// notices are faults of what people are told.
func notices() []mutant {
	all := []tests{whole(inNotice)}
	return []mutant{
		{
			id: "N1", what: "a notice that EventBridge did not take counts as sent",
			edits: []edit{{inNotice, "	if out.FailedEntryCount == 0 {\n", "	if out.FailedEntryCount >= 0 {\n"}}, tests: all,
		},
		{
			id: "N2", what: "each process tells of a refused credential by itself",
			edits: []edit{{inNotice, "	if err != nil || len(found) > 0 {\n", "	if err != nil {\n"}}, tests: all,
		},
		{
			id: "N3", what: "that a refused credential was told is noted even if it could not be told",
			edits: []edit{{inNotice, "	if err := w.bus.Send(ctx, refused(fault, day, now)); err != nil {\n		return false, err\n	}\n", "	_ = w.bus.Send(ctx, refused(fault, day, now))\n"}}, tests: all,
		},
		{
			id: "N4", what: "what looks like a credential stays in a notice",
			edits: []edit{{inNotice, "	text = credentialLike().ReplaceAllString(text, redacted)\n", ""}}, tests: all,
		},
		{
			id: "N5", what: "nobody asks whether the bus is there",
			edits: []edit{{inNotice, "	if err := b.exists(ctx); err != nil {\n		return err\n	}\n", ""}}, tests: all,
		},
		{
			id: "N6", what: "a notice that comes back becomes a dead letter",
			edits: []edit{{"internal/event", "	case isOwn(o) && !isNotice(o):\n", "	case isOwn(o):\n"}}, tests: []tests{whole("internal/event")},
		},
	}
}
