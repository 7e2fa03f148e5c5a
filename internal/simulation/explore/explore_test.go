package explore_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation/explore"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// toy is a tiny handler. It re-triggers each run that Adobe made by itself, and makes a
// dead letter of each that a re-trigger made.
type toy struct {
	simulation.Parts
	// claims lets it write a record before the call, under the condition that there is
	// none. Who comes second makes a dead letter of the run.
	claims bool
	// forgets lets it answer as if all were well where a call fails.
	forgets bool
}

// Invoke implements [simulation.Handler].
func (f toy) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var batch struct{ Records []struct{ Body string } }
	var run struct{ ID, CreatedClient string }
	if err := errors.Join(json.Unmarshal(payload, &batch), json.Unmarshal([]byte(batch.Records[0].Body), &run)); err != nil {
		return nil, err
	}
	if strings.HasPrefix(run.CreatedClient, "client-") {
		return []byte(`{}`), f.deadLetter(ctx, run.ID)
	}
	if f.claims {
		key := "claim#" + run.ID
		err := f.Store.Commit(ctx, store.Write{Key: key, New: store.Record{store.AttributeKey: key, store.AttributeRev: rand.Text()}})
		if errors.As(err, new(*store.ConflictError)) {
			return []byte(`{}`), f.deadLetter(ctx, run.ID)
		}
		if err != nil {
			return nil, err
		}
	}
	err := f.retrigger(ctx, run.ID)
	if f.forgets {
		err = nil
	}
	return []byte(`{}`), err
}

func (f toy) deadLetter(ctx context.Context, runID string) error {
	body := `{"runId":"` + runID + `"}`
	_, err := sqs.NewFromConfig(f.Amazon).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &f.Config.DeadLetterQueueURL, MessageBody: &body})
	return err
}

func (f toy) retrigger(ctx context.Context, runID string) error {
	options := append([]flowclient.Option{flowclient.WithBaseURL(f.Config.FlowServiceURL), flowclient.WithIMSURL(f.Config.IMSURL), flowclient.WithOp("re-trigger")}, f.Adobe...)
	tokens, err := flowclient.NewIMS(flowclient.Credentials{ClientID: "client-W", ClientSecret: "s", Scopes: []string{"openid"}}, options...)
	if err != nil {
		return err
	}
	adobe, err := flowclient.New(simulation.Org, "client-W", tokens, options...)
	if err != nil {
		return err
	}
	_, err = adobe.Retrigger(ctx, simulation.Sandbox, runID)
	return err
}

// polite is a handler in which each delivery leaves its mark, and gives way where it sees
// another one's. Two that come at once both give way.
type polite struct{ toy }

// Invoke implements [simulation.Handler].
func (f polite) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	for i, mark := range []string{"mark#1", "mark#2"} {
		err := f.Store.Commit(ctx, store.Write{Key: mark, New: store.Record{store.AttributeKey: mark, store.AttributeRev: rand.Text()}})
		if errors.As(err, new(*store.ConflictError)) {
			continue
		}
		if err != nil {
			return nil, err
		}
		others, err := f.Store.Read(ctx, []string{"mark#2", "mark#1"}[i])
		if len(others) > 0 || err != nil {
			return []byte(`{}`), err
		}
		break
	}
	return f.toy.Invoke(ctx, payload)
}

// setup is of two events of one run.
func setup(wire func(simulation.Parts) simulation.Handler) explore.Setup {
	return explore.Setup{Wire: wire, Runs: []string{"f"}, Messages: []int{0, 0}, Attempts: 1}
}

func TestAnUnclaimedSendIsFoundWithTheShortestHistory(t *testing.T) {
	t.Parallel()
	r := explore.Explore(t, setup(func(p simulation.Parts) simulation.Handler { return toy{Parts: p} }))
	if r.Broken == nil || r.Exhausted {
		t.Fatal("the double send was not found:", r)
	}
	// Two deliveries, two tokens, two sends and the first one's answer: it takes no less.
	if b := r.Broken; b.Invariant != "once" || len(b.Steps) != 7 || !strings.Contains(b.Steps[6], "re-trigger run-a") {
		t.Error(b)
	}
}

func TestOneEventIsSentTwiceOnlyAfterAFault(t *testing.T) {
	t.Parallel()
	s := setup(func(p simulation.Parts) simulation.Handler { return toy{Parts: p} })
	s.Messages = []int{0}
	if r := explore.Explore(t, s); r.Broken != nil || !r.Exhausted {
		t.Error(r, r.Broken)
	}
	s.Faults = 1
	r := explore.Explore(t, s)
	if r.Broken == nil || r.Broken.Invariant != "once" || r.Broken.Faults != 1 {
		t.Fatal(r, r.Broken)
	}
	// The one fault loses the answer that a run was made, in one way or another.
	if faults := slices.DeleteFunc(slices.Clone(r.Broken.Steps), func(s string) bool { return !strings.Contains(s, " ... ") && !strings.Contains(s, "is lost") }); len(faults) != 1 {
		t.Error(r.Broken)
	}
}

func TestARunThatIsForgottenVanishes(t *testing.T) {
	t.Parallel()
	s := setup(func(p simulation.Parts) simulation.Handler { return toy{Parts: p, claims: true, forgets: true} })
	s.Messages, s.Faults = []int{0}, 1
	if r := explore.Explore(t, s); r.Broken == nil || r.Broken.Invariant != "nothing vanishes" {
		t.Error(r, r.Broken)
	}
}

// A reading counts as one of something unchanging until a history writes it. Did the
// explorer not begin again then, each delivery would read right after it has left its mark,
// and one of the two would see nothing.
func TestTwoDeliveriesThatBothGiveWayAreFound(t *testing.T) {
	t.Parallel()
	s := setup(func(p simulation.Parts) simulation.Handler { return polite{toy{Parts: p}} })
	if r := explore.Explore(t, s); r.Broken == nil || r.Broken.Invariant != "nothing vanishes" || r.Broken.Faults != 0 {
		t.Error(r, r.Broken)
	}
}

func TestALimitOfStatesEndsTheExploration(t *testing.T) {
	t.Parallel()
	s := setup(func(p simulation.Parts) simulation.Handler { return toy{Parts: p, claims: true} })
	s.Faults, s.MostStates = 2, 20
	if r := explore.Explore(t, s); r.Exhausted || r.Broken != nil {
		t.Error(r)
	}
}

func TestTheSameBoundsGiveTheSameStates(t *testing.T) {
	t.Parallel()
	s := setup(func(p simulation.Parts) simulation.Handler { return toy{Parts: p, claims: true} })
	s.Faults, s.Workers = 1, 1 // several workers may go on from another of the states that count as the same
	first := explore.Explore(t, s)
	if first.Broken != nil || !first.Exhausted {
		t.Error(first, first.Broken)
	}
	if again := explore.Explore(t, s); again.States != first.States || again.Histories != first.Histories {
		t.Errorf("%s, and then %s", first, again)
	}
}
