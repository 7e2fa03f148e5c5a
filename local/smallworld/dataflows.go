package smallworld

import (
	"math/rand/v2"
	"time"
)

// Codes of Adobe's with which runs fail here.
const (
	sourceDown  = "CONNECTOR-1001-500" // the source did not answer: worth a retry
	loginBroken = "CONNECTOR-2001-500" // the source's login
	badData     = "INGEST-1212-400"    // a retry does not mend it
)

// Dataflows that something besides their schedule happens to.
const (
	pausedFlow   = "5d0c6c1e-2f7e-4a53-9d0f-70c1e9a5b307"
	repairedFlow = "9b1f4e62-6d0a-4b8e-8a57-1f2c3d4e5f60"

	undeliveredFlow = "4d0a5f67-1c8e-4f4c-a9b5-3a2b1c0d9e84"
)

// dataflow is one of the World's.
type dataflow struct {
	id, name  string
	every     time.Duration // between two of its runs
	streaming bool
	// fate says what becomes of a run, by how many runs came before it.
	fate func(n int, random *rand.Rand) *fate
	runs int
}

// dataflows are the World's ten.
func dataflows() []*dataflow {
	return []*dataflow{
		{id: "0c9f4b1e-5d2a-4f6e-9a30-7c1f5e8d2b46", name: "Loyalty members hourly", every: HourOfLife, fate: each(3, fate{fails: 1, code: sourceDown, message: "Copying from the source failed: the operation timed out"})},
		{id: "1a7d2c34-8f5b-4c19-b6e2-0d9e8f7a6b51", name: "Web orders every 15 minutes", every: 20 * time.Second, fate: each(5, fate{fails: 2, code: sourceDown, message: "Copying from the source failed: connection refused"})},
		{id: "2b8e3d45-9a6c-4d2a-87f3-1e0f9a8b7c62", name: "CRM accounts", every: HourOfLife, fate: brokenLogin},
		{id: "3c9f4e56-0b7d-4e3b-98a4-2f1a0b9c8d73", name: "Store inventory", every: HourOfLife, fate: each(4, fate{fails: 1, code: badData, message: "Some rows are not valid: column price is no number in 12 of 40,000 rows"})},
		{id: undeliveredFlow, name: "E-mail engagement", every: 25 * time.Second, fate: each(1000, fate{fails: 1, code: sourceDown, message: "Copying from the source failed"})},
		{id: pausedFlow, name: "Call center tickets", every: 40 * time.Second, fate: each(2, fate{fails: 1, code: sourceDown, message: "Copying from the source failed: the host is not reachable"})},
		{id: "6e1b7a89-3d0f-4a6d-8bc7-4b3c2d1e0f95", name: "Partner leads", every: 50 * time.Second, fate: each(3, fate{fails: 1, code: sourceDown, message: "Copying from the source failed: the file was locked", unheard: true})},
		{id: "7f2c8b90-4e1a-4b7e-9cd8-5c4d3e2f1a06", name: "Mobile app events", every: 35 * time.Second, fate: each(4, fate{fails: 1, code: sourceDown, message: "Copying from the source failed: too many connections", twice: true})},
		{id: "8a3d9ca1-5f2b-4c8f-8de9-6d5e4f3a2b17", name: "Clickstream (streaming)", every: 3 * HourOfLife, streaming: true, fate: each(2, fate{fails: 1, code: "STREAMING-3001-500", message: "The stream was interrupted"})},
		{id: repairedFlow, name: "Product catalog", every: 2 * HourOfLife, fate: each(1000, fate{fails: 1, code: sourceDown, message: "Copying from the source failed"})},
	}
}

// each lets one run of n have a fate, which one the seed says; the others succeed.
func each(n int, f fate) func(int, *rand.Rand) *fate {
	chosen := 0
	return func(run int, random *rand.Rand) *fate {
		if run%n == 0 {
			chosen = random.IntN(n)
		}
		if run%n != chosen {
			return &fate{unheard: f.unheard}
		}
		one := f
		return &one
	}
}

// brokenLogin is a source whose login is broken, is mended after a quarter of an hour, and
// breaks again three minutes later. Every attempt fails meanwhile: the breaker opens.
func brokenLogin(int, *rand.Rand) *fate {
	const broken, mended = 15 * time.Minute, 3 * time.Minute
	const everyRun = 100 // more than the attempts of a lineage
	return &fate{
		fails: everyRun, code: loginBroken, message: "The source has refused the login: the password has expired",
		broken: func(age time.Duration) bool { return age%(broken+mended) < broken },
	}
}
