package ledger

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Pulse says of an org that the function works for it. There is one for each org, and the list
// of them is how people find out which orgs there are.
type Pulse struct {
	OrgID string
	// Sandbox is one of the org's: that of the run that was dealt with last.
	Sandbox string
	// LastEvent is when an event of Adobe's about the org was dealt with last, with a
	// precision of [PulseInterval]. LastSweep is when a scheduled sweep has looked at all of
	// the org last. Each is zero where nothing is known.
	LastEvent, LastSweep time.Time
	// Version is that of the function that wrote the pulse, Mode its mode (retry or observe),
	// and Schema the number of the form in which it writes entries.
	Version, Mode string
	Schema        int
	// Paused means that the function's deployment has paused everything (PAUSED=true).
	Paused bool
}

const (
	// PulseInterval is how often a process writes the pulse of an org at most, sweeps apart.
	PulseInterval = 5 * time.Minute
	// pulseTTL is how long a pulse is kept: an org that is served no more is forgotten.
	pulseTTL = 90 * 24 * time.Hour
	// maxOrgs is how many pulses are read. An environment serves a handful of orgs.
	maxOrgs = 1000
	// maxPulses is how many pulses one transaction writes.
	maxPulses = 25

	orgsList = "orgs"
	// pulseCount counts the writes of a pulse. A write of sums needs a sum.
	pulseCount = "pulses"
)

// OrgKey is the key of an org's pulse in the store.
func OrgKey(orgID string) string { return "org#" + orgID }

// WritePulses writes pulses, each at most once. A pulse changes what it knows, and leaves the
// rest. It has no condition: of two that come together the later one counts. After an error some
// of them may be missing.
func WritePulses(ctx context.Context, table Committer, now time.Time, pulses ...Pulse) error {
	for some := range slices.Chunk(pulses, maxPulses) {
		writes := make([]store.Write, len(some))
		for i := range some {
			writes[i] = some[i].write(now)
		}
		if err := table.Commit(ctx, writes...); err != nil {
			return err
		}
	}
	return nil
}

// Committer is the part of a [store.Table] that writes.
type Committer interface {
	Commit(ctx context.Context, writes ...store.Write) error
}

func (p *Pulse) write(now time.Time) store.Write {
	return store.Write{Key: OrgKey(p.OrgID), Sums: map[string]int{pulseCount: 1}, New: compact(store.Record{
		"orgId": p.OrgID, "sandbox": p.Sandbox, "lastEvent": stamp(p.LastEvent), "lastSweep": stamp(p.LastSweep),
		"version": p.Version, "mode": p.Mode, "schema": strconv.Itoa(p.Schema), "paused": strconv.FormatBool(p.Paused),
		store.IndexList: orgsList, store.AttributeAt: p.OrgID, store.AttributeTTL: store.TTL(now.Add(pulseTTL)),
	})}
}

// Orgs returns the pulse of each org that the function has worked for in the last 90 days, in
// the order of their ids.
func (l Lists) Orgs(ctx context.Context) ([]Pulse, error) {
	records, err := l.Table.ListFrom(ctx, store.IndexList, orgsList, "", maxOrgs)
	pulses := make([]Pulse, len(records))
	for i, r := range records {
		f := fields{Record: r}
		pulses[i] = Pulse{
			OrgID: r["orgId"], Sandbox: r["sandbox"], LastEvent: f.instant("lastEvent"), LastSweep: f.instant("lastSweep"),
			Version: r["version"], Mode: r["mode"], Schema: f.count("schema"), Paused: r["paused"] == "true",
		}
	}
	return pulses, err
}
