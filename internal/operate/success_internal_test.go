package operate

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

func TestALaterSuccessIsKnownByTheEpisodesOfTheDataflow(t *testing.T) {
	t.Parallel()
	at := func(hour int) time.Time { return time.Date(2026, 11, 26, hour, 0, 0, 0, time.UTC) }
	episode := func(began, ended int) ledger.Episode {
		e := ledger.Episode{Began: at(began)}
		if ended > 0 {
			e.Ended = at(ended)
		}
		return e
	}
	ours := ledger.Run{RunID: "given-up", Reason: "attempts_exhausted", ChangedAt: at(10)}
	for name, c := range map[string]struct {
		run   ledger.Run
		flow  *ledger.Flow
		known bool
		yes   bool
		at    time.Time
	}{
		"the episode that it began lasts":             {ours, &ledger.Flow{Episodes: []ledger.Episode{episode(10, 0)}}, true, false, time.Time{}},
		"an earlier episode lasts":                    {ours, &ledger.Flow{Episodes: []ledger.Episode{episode(9, 0)}}, true, false, time.Time{}},
		"its episode has ended":                       {ours, &ledger.Flow{Episodes: []ledger.Episode{episode(10, 11)}}, true, true, at(11)},
		"its episode has ended, and a later one too":  {ours, &ledger.Flow{Episodes: []ledger.Episode{episode(9, 11), episode(12, 13)}}, true, true, at(11)},
		"its episode has ended, and a later one not":  {ours, &ledger.Flow{Episodes: []ledger.Episode{episode(12, 0)}}, true, true, time.Time{}},
		"its episode has ended and was forgotten":     {ours, &ledger.Flow{}, true, true, time.Time{}},
		"an episode ended before it":                  {ours, &ledger.Flow{Episodes: []ledger.Episode{episode(8, 9), episode(10, 0)}}, true, false, time.Time{}},
		"the ledger knows nothing of the dataflow":    {ours, nil, false, false, time.Time{}},
		"giving it up has begun no episode":           {ledger.Run{Reason: "org_unknown", ChangedAt: at(10)}, &ledger.Flow{}, false, false, time.Time{}},
		"the credential says nothing of the dataflow": {ledger.Run{Reason: "credentials_refused", ChangedAt: at(10)}, &ledger.Flow{Episodes: []ledger.Episode{episode(9, 0)}}, false, false, time.Time{}},
	} {
		if got := successByEpisode(&c.run, c.flow); got.known != c.known || got.yes != c.yes || !got.at.Equal(c.at) {
			t.Errorf("%s: %+v, want known %t, yes %t, at %v", name, got, c.known, c.yes, c.at)
		}
	}
	newest := []ledger.Run{
		{RunID: "later", State: ledger.Succeeded, ChangedAt: at(13)},
		{RunID: "first", State: ledger.Succeeded, ChangedAt: at(12)},
		{RunID: "failed", State: ledger.DeadLettered, ChangedAt: at(11)},
		{RunID: "before", State: ledger.Succeeded, ChangedAt: at(9)},
	}
	if got := successAmong(&ours, newest); !got.yes || got.runID != "first" || !got.at.Equal(at(12)) {
		t.Errorf("among the newest runs: %+v, want the first success after it", got)
	}
	if got := successAmong(&ours, newest[2:]); got.known {
		t.Errorf("a run that succeeded before says something: %+v", got)
	}
}

func TestARedriveSaysWhoAsksAndWhy(t *testing.T) {
	t.Parallel()
	who := order{Reason: "mended", By: "arn:aws:iam::1:user/ada"}
	for body, want := range map[string]string{
		`{"runId":"r","origin":{"root":"q","errors":[{"code":"A-1"}]}}`: `{"by":"arn:aws:iam::1:user/ada","force":true,"origin":{"root":"q","errors":[{"code":"A-1"}]},"reason":"mended","runId":"r"}`,
		`{"sweep":{}}`:             "", // what is left of a sweep
		`[{"runId":"r"}]`:          "",
		`no JSON`:                  "",
		`{"detail":{"runId":"r"}}`: "",
	} {
		got, is := requestAgain(body, true, who)
		if is != (want != "") || got != want {
			t.Errorf("%s is sent as %s, %t; want %s", body, got, is, want)
		}
	}
	if got, _ := requestAgain(`{"runId":"r","force":true}`, false, order{}); got != `{"runId":"r"}` { // the force of an earlier request is not that of a redrive
		t.Errorf("nothing is to be added, and it is sent as %s", got)
	}
}
