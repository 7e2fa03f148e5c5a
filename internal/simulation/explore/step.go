package explore

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// step is something that may happen next.
type step struct {
	label string
	fault bool
	do    func()
}

func client(transport http.RoundTripper) *http.Client { return &http.Client{Transport: transport} }

// isLocal reports whether a call commutes with every step of every other delivery: it asks
// for something that no delivery ever changes, or changes something that no other delivery
// asks for. Then it is enough to explore what becomes of the call when it is the next one
// to go on: wherever else it stood among the others' calls, the same states would follow.
// Which items of the store nobody changes is found out by exploring; see [Explore].
func isLocal(h *history, c *call) bool {
	if c.local {
		return true
	}
	if c.kinds == nil || c.mutates {
		return false
	}
	return !slices.ContainsFunc(c.kinds, func(kind string) bool { return kind == anyKind || h.shared[kind] })
}

// next are the steps that are possible now.
func (h *history) next() []step {
	living := h.living()
	for _, d := range living {
		if d.answered {
			return affordable(h,
				step{label: d.name + ": the invocation answers", do: func() { h.hear(d) }},
				step{label: d.name + ": the answer of the invocation is lost", fault: true, do: func() { h.end(d) }},
			)
		}
		for _, c := range d.sorted() {
			if isLocal(h, c) {
				return affordable(h, h.fates(c, living)...)
			}
		}
	}
	var all []step
	waiting := 0
	for _, d := range living {
		for _, c := range d.sorted() {
			waiting++
			all = append(all, h.fates(c, living)...)
		}
	}
	if len(living) > 0 && waiting == 0 {
		all = append(all, step{label: "a second passes: the function waits for a timer", do: func() { simulation.Pass(time.Second) }})
	}
	for i, c := range h.wire {
		all = append(all, step{label: fmt.Sprintf("%s, on its way since %s died, arrives", c.what, c.by.name), do: func() {
			h.wire = slices.Delete(slices.Clone(h.wire), i, i+1)
			carryOut(h, c)
		}})
	}
	now := h.deliverable(len(living))
	all = append(all, now...)
	all = append(all, h.surroundings(len(living) == 0, len(now) > 0)...)
	return affordable(h, all...)
}

// affordable leaves out the faults when there have been enough.
func affordable(h *history, all ...step) []step {
	return slices.DeleteFunc(all, func(s step) bool { return s.fault && h.faults >= h.Faults })
}

// carryOut lets a call take its effect.
func carryOut(h *history, c *call) string {
	if c.mutates {
		for _, kind := range c.kinds {
			h.wrote[kind] = true
		}
	}
	return c.effect()
}

// fates are what may become of a call. That the process dies at a call without an effect
// is not among them: nobody can tell that from its death at the call before or after.
func (h *history) fates(c *call, living []*delivery) []step {
	d, label := c.by, c.by.name+": "+c.what
	all := []step{
		{label: label, do: func() { d.answer(c, carryOut(h, c), nil) }},
		{label: label + " ... it fails without effect", fault: true, do: func() { d.answer(c, "lost", errLost) }},
	}
	if !c.mutates {
		return all
	}
	all = append(all, step{label: label + " ... done, and its answer is lost", fault: true, do: func() {
		carryOut(h, c)
		d.answer(c, "lost", errLost)
	}})
	if isLocal(h, c) { // what else its death may change is in the death at another call
		return append(all, step{label: label + " ... the process dies", fault: true, do: func() { h.kill([]*delivery{d}, false) }})
	}
	for _, onTheWire := range []bool{false, true} {
		way := ""
		if onTheWire {
			way = ", the call is still on its way"
		}
		all = append(
			all,
			step{label: label + " ... the process dies" + way, fault: true, do: func() { h.kill([]*delivery{d}, onTheWire) }},
			step{label: label + " ... no answer comes until the deadline, Lambda ends what runs" + way, fault: true, do: func() {
				h.kill(living, onTheWire)
				simulation.Pass(h.world.Timeout + time.Second)
			}},
		)
	}
	return all
}

// deliverable are the deliveries that may begin. Of messages that can't be told apart
// only the first is delivered.
func (h *history) deliverable(living int) []step {
	if living >= h.AtOnce || living > 0 && h.Together > 0 && len(h.deliveries) >= h.Together {
		return nil
	}
	var all []step
	seen := map[string]bool{}
	for _, m := range h.world.AWS.Messages(h.world.Requests) {
		if h.due[m.ID].at.After(time.Now()) {
			continue
		}
		if same := fmt.Sprint(m.Body, m.Receives, m.SentAt()); !seen[same] {
			seen[same] = true
			all = append(all, step{label: h.names[m.ID] + " is delivered", do: func() { h.deliver(m.ID) }})
		}
	}
	return all
}

// surroundings are the steps of the world around the function. Time passes only while no
// delivery is under way, and calls on their way arrive before it does, unless they may be
// late. That a run ends
// while a delivery is under way, or while a message lies about, is an unusual hurry: where it
// is explored, it counts as a fault.
func (h *history) surroundings(idle, waiting bool) []step {
	var all []step
	for _, r := range h.world.Adobe.Runs() {
		if r.Status != flowsim.InProgress || (!idle || waiting) && !h.Hurry {
			continue
		}
		which := "the run " + name(r.ID) + ", which was made of " + name(r.Of)
		all = append(all, step{label: which + ", fails", fault: !idle || waiting, do: func() {
			if idle {
				simulation.Pass(runTime)
			}
			h.world.Adobe.End(r.ID, flowsim.Fail("CONNECTOR-1001-500", "again"))
			tell(h, r.ID)
		}})
		if h.Succeed && idle && !waiting {
			all = append(all, step{label: which + ", succeeds", do: func() {
				simulation.Pass(runTime)
				h.world.Adobe.End(r.ID, flowsim.Succeed())
				tell(h, r.ID)
			}})
		}
		break // they end in the order in which they were made
	}
	if h.Rotate && !h.rotated {
		all = append(all, step{label: "the secret gets another client id", do: func() { rotate(h) }})
	}
	hurries := func(d time.Duration) bool {
		return slices.ContainsFunc(h.wire, func(c *call) bool { return !mayWait(h, c, d) })
	}
	if !idle || hurries(0) {
		return all
	}
	if next := nextDue(h); !next.IsZero() {
		if wait := time.Until(next); wait > 0 && !hurries(wait) {
			all = append(all, step{label: fmt.Sprintf("%s pass until the next message is due", wait), do: func() { simulation.Pass(wait) }})
		}
		if h.weeks < h.Weeks && len(h.wire) == 0 {
			all = append(all, step{label: "eight days pass, in which nothing is delivered", do: func() {
				h.weeks++
				simulation.Pass(week)
			}})
		}
	}
	return all
}

// name is a run's id as people see it.
func name(runID string) string { return runID[:min(8, len(runID))] }

// nextDue is when the next message may be delivered; zero without a message.
func nextDue(h *history) time.Time {
	var next time.Time
	for _, m := range h.world.AWS.Messages(h.world.Requests) {
		if at := h.due[m.ID].at; next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// rotate gives the org another credential, as its administrators do.
func rotate(h *history) {
	h.rotated = true
	h.world.Adobe.AddOrg(flowsim.Org{ID: simulation.Org, ClientID: "client-new", Secrets: []string{"s"}, Scopes: []string{"openid"}, Sandboxes: []string{simulation.Sandbox, "dev"}})
	h.world.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-new","client_secret":"s","org_id":%q,"scopes":"openid","sandbox":"prod"}`, simulation.Org))
}
