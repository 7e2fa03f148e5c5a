// Package explore plays every course of events within bounds: which delivery's call comes
// next, and whether it ends well, is lost before or after its effect, or is the last one
// of its process. It finds the histories that random tests meet once in a million.
//
// The explorer knows the function's handler and the world around it: the store, the
// simulated Adobe and SQS, and the log. It knows nothing of the engine. Every call of the
// function waits at a gate until the explorer decides on it, and time passes when the
// explorer says so. A history is a list of such decisions. It is replayed from its start
// in a bubble of testing/synctest. A state is what is left of a history: the store,
// Adobe's book, the queues, and what each delivery under way has been answered. From a
// state that was seen before, with as many faults left, nothing new can follow.
//
// What is judged comes from Adobe's book: how often each run and each lineage was
// re-triggered in truth, and at rest what became of each failed run.
//
// "Every" has limits. Each delivery has one message and begins a process of its own, so
// that nothing is remembered from another delivery. Time passes only between deliveries, or
// past the deadline of all that are under way. A call that outlives its process arrives
// before time passes again. Delays are rounded up, as for a poller that comes late, and
// ages count as the same within ranges ([Setup] has no say in that). Each step of
// [Setup.Hurry], [Setup.Succeed], [Setup.Rotate] and [Setup.Weeks] is explored only where
// it is asked for. The model test in functions/retrigger goes beyond these limits, at
// random.
package explore

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// Setup is what is explored, and how far.
type Setup struct {
	// Wire makes the function's handler; see [simulation.World].
	Wire func(simulation.Parts) simulation.Handler
	// Configure changes the function's configuration; may be nil.
	Configure func(*config.Config)
	// Runs are the failed runs at the beginning, by their dataflow.
	Runs []string
	// Messages are the events on the queue at the beginning, each by its run's index.
	Messages []int
	// Attempts is how many re-triggers a lineage may have.
	Attempts int
	// Faults is how many faults a history may have.
	Faults int
	// AtOnce is how many deliveries may be under way together; 0 for as many as there
	// are messages at the beginning.
	AtOnce int
	// Together is how many deliveries from the beginning may overlap with others; those
	// after them are under way alone. 0 means that all may overlap.
	Together int
	// Rotate allows that the secret gets another client id, once.
	Rotate bool
	// Weeks is how often eight days may pass.
	Weeks int
	// Late allows that a re-trigger whose process has died arrives at Adobe up to half an
	// hour after it was sent. Otherwise it arrives before time passes.
	Late bool
	// Hurry allows that a run ends, and that its failure is told, while deliveries are under
	// way or messages could be delivered. Each time counts as a fault.
	Hurry bool
	// Succeed allows that runs succeed, which an event tells; otherwise every run fails.
	Succeed bool
	// Windows is how Adobe shows the data windows of the dataflows' runs.
	Windows flowsim.Windows
	// Refuse is Adobe's answer to every re-trigger, which it refuses; nil for none.
	Refuse *flowsim.Fault
	// Accepted says whether a skipped run may rest; nil accepts every reason.
	Accepted func(simulation.Record) bool
	// Quick returns the first history that breaks an invariant, and looks for no shorter one.
	Quick bool
	// MostStates ends the exploration early; 0 for never.
	MostStates int
	// Workers is how many histories are played at once; 0 for one for each CPU.
	Workers int
}

// Report is what an exploration has found.
type Report struct {
	// States are those that differ, Histories how often one was played from its start.
	States, Histories int
	Elapsed           time.Duration
	// Exhausted tells that nothing within the bounds was left out.
	Exhausted bool
	// Broken is the shortest history that breaks an invariant, or any one with [Setup.Quick];
	// nil for none.
	Broken *Broken
}

// String is the report in a line.
func (r Report) String() string {
	end := "exhausted"
	if !r.Exhausted {
		end = "not exhausted"
	}
	if r.Broken != nil {
		end = "broken: " + r.Broken.Invariant
	}
	return fmt.Sprintf("%d states, %d histories, %.1f s: %s", r.States, r.Histories, r.Elapsed.Seconds(), end)
}

// Broken is a history that breaks an invariant.
type Broken struct {
	Invariant, What string
	Faults          int
	Steps           []string
	World           string
}

// String tells the history, a line for each step, and the world at its end.
func (b *Broken) String() string {
	var text strings.Builder
	for i, s := range b.Steps {
		fmt.Fprintf(&text, "%3d. %s\n", i+1, s)
	}
	fmt.Fprintf(&text, "broken: %s: %s\n%s", b.Invariant, b.What, b.World)
	return text.String()
}

// node is a history as a chain of decisions.
type node struct {
	parent *node
	label  string
	faults int
	depth  int
	delays []time.Duration // see [history.look]
}

func (n *node) path() []string {
	var path []string
	for ; n.parent != nil; n = n.parent {
		path = append(path, n.label)
	}
	slices.Reverse(path)
	return path
}

// Explore explores. It first plays the histories in the order that is fastest, all with
// fewer faults first. Where one breaks an invariant, it plays the shorter ones in order of
// their length, to return the shortest with the fewest faults.
//
// Which items of the store are never written is not known beforehand. At first every kind
// counts as such; where a history writes one, the exploration begins again with what is
// known now. At its end no history has written an item that was taken for unchanging.
func Explore(t *testing.T, s Setup) Report {
	t.Helper()
	if s.AtOnce == 0 {
		s.AtOnce = len(s.Messages)
	}
	if s.Workers == 0 {
		s.Workers = runtime.GOMAXPROCS(0)
	}
	began := time.Now()
	shared := map[string]bool{}
	for {
		e := newExplorer(&s, shared, false)
		e.run(t)
		if e.surprised {
			continue
		}
		report := Report{States: len(e.seen), Histories: e.histories, Exhausted: e.broken == nil && !e.stopped, Broken: e.broken}
		if e.broken != nil && !s.Quick {
			limited := s
			limited.Faults = e.broken.Faults
			shortest := newExplorer(&limited, shared, true)
			shortest.run(t)
			if shortest.broken != nil {
				report.Broken = shortest.broken
			}
			report.Histories += shortest.histories
		}
		report.Elapsed = time.Since(began)
		return report
	}
}

// explorer is an exploration under way.
type explorer struct {
	*Setup
	shared  map[string]bool
	ordered bool // the shortest histories first

	mu        sync.Mutex
	changed   *sync.Cond
	open      [][][]*node // by faults and depth
	working   int
	seen      map[hash]reached
	histories int
	surprised bool // shared has grown
	stopped   bool
	broken    *Broken
	bound     int // no history that is longer matters
}

// reached is how a state was reached.
type reached struct{ faults, depth int }

func newExplorer(s *Setup, shared map[string]bool, ordered bool) *explorer {
	e := &explorer{Setup: s, shared: shared, ordered: ordered, seen: map[hash]reached{}, open: make([][][]*node, s.Faults+1), bound: mostSteps * 2}
	e.changed = sync.NewCond(&e.mu)
	e.push(&node{})
	return e
}

func (e *explorer) push(n *node) {
	level := e.open[n.faults]
	for len(level) <= n.depth {
		level = append(level, nil)
	}
	level[n.depth] = append(level[n.depth], n)
	e.open[n.faults] = level
}

// pop returns the next history to play: of those with the fewest faults the longest, or
// the shortest.
func (e *explorer) pop() *node {
	for faults := range e.open {
		level := e.open[faults]
		for i := range level {
			depth := len(level) - 1 - i
			if e.ordered {
				depth = i
			}
			if last := len(level[depth]) - 1; last >= 0 {
				n := level[depth][last]
				level[depth] = level[depth][:last]
				return n
			}
		}
	}
	return nil
}

func (e *explorer) run(t *testing.T) {
	t.Helper()
	shared := maps.Clone(e.shared)
	var workers sync.WaitGroup
	for range e.Workers {
		workers.Go(func() {
			for {
				n := e.take()
				if n == nil {
					return
				}
				e.play(t, n, shared)
			}
		})
	}
	workers.Wait()
}

// take waits for a history to play; nil at the end.
func (e *explorer) take() *node {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if e.surprised || e.stopped || e.broken != nil && !e.ordered {
			return nil
		}
		if n := e.pop(); n != nil {
			if e.broken != nil && n.depth >= e.bound {
				continue
			}
			e.working++
			return n
		}
		if e.working == 0 {
			return nil
		}
		e.changed.Wait()
	}
}

// play replays a history and goes on from its end as long as there is only one way, or, if
// the order does not matter, along the first of several.
func (e *explorer) play(t *testing.T, n *node, shared map[string]bool) {
	t.Helper()
	defer func() { // also where the test fails, which ends this goroutine
		e.mu.Lock()
		defer e.mu.Unlock()
		e.working--
		e.stopped = e.stopped || t.Failed()
		e.changed.Broadcast()
	}()
	synctest.Test(t, func(t *testing.T) {
		h := begin(t, e.Setup, shared, n.delays)
		defer h.close()
		for _, label := range n.path() {
			if !h.take(label) {
				var possible []string
				for _, s := range h.next() {
					possible = append(possible, s.label)
				}
				t.Errorf("the history can't be repeated: %q is not possible after\n%s\nbut\n%s", label, strings.Join(h.steps, "\n"), strings.Join(possible, "\n"))
				return
			}
		}
		e.mu.Lock()
		e.histories++
		e.mu.Unlock()
		for n != nil {
			n = e.goOn(h, n)
		}
	})
}

// take does the step of the label, if that is possible.
func (h *history) take(label string) bool {
	for _, s := range h.next() {
		if s.label == label {
			h.do(s)
			return true
		}
	}
	return false
}

func (h *history) do(s step) {
	if s.fault {
		h.faults++
	}
	h.steps = append(h.steps, s.label)
	s.do()
	h.settle()
	h.check()
}

// goOn looks at the state in which a history is, and returns the history to go on with
// here; nil for none.
func (e *explorer) goOn(h *history, n *node) *node {
	steps := h.next()
	if len(steps) == 0 && h.broken == nil {
		h.atRest()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for kind := range h.wrote {
		if !e.shared[kind] {
			e.shared[kind], e.surprised = true, true
		}
	}
	switch {
	case h.broken != nil:
		if e.broken == nil || n.depth < e.bound {
			e.broken, e.bound = h.broken, n.depth
			e.broken.Faults, e.broken.Steps, e.broken.World = h.faults, slices.Clone(h.steps), h.world.String()
		}
		return nil
	case e.surprised || e.stopped:
		return nil
	}
	if len(steps) != 1 {
		state := h.state()
		before, known := e.seen[state]
		if known && before.faults <= n.faults && (!e.ordered || before.depth <= n.depth) {
			return nil
		}
		e.seen[state] = reached{n.faults, n.depth}
		if e.stopped = e.MostStates > 0 && len(e.seen) >= e.MostStates; e.stopped {
			return nil
		}
	}
	var first *step
	var along *node
	for i, s := range steps {
		child := &node{parent: n, label: s.label, faults: n.faults, depth: n.depth + 1, delays: slices.Clip(h.delays)}
		if s.fault {
			child.faults++
		}
		if along == nil && !s.fault && (!e.ordered || len(steps) == 1) {
			first, along = &steps[i], child
			continue
		}
		e.push(child)
	}
	e.changed.Broadcast()
	if along != nil && (e.broken == nil || along.depth < e.bound) {
		e.mu.Unlock()
		h.do(*first)
		e.mu.Lock()
		return along
	}
	return nil
}
