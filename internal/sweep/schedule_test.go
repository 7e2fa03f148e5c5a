package sweep

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

func atNoon() time.Time { return noon }

func TestSlotsAreReservedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	table := memory.New()
	s := schedule{store: table, pace: 2 * time.Second}
	for i, want := range []time.Duration{0, 10 * time.Second, 20 * time.Second} {
		if first, err := s.reserve(t.Context(), org, 5, atNoon); err != nil || !first.Equal(noon.Add(want)) {
			t.Errorf("page %d begins at %s, %v, want %s", i+1, first, err, noon.Add(want))
		}
	}
	other := schedule{store: table, pace: time.Second}
	if first, err := other.reserve(t.Context(), "B@AdobeOrg", 1, atNoon); err != nil || !first.Equal(noon) {
		t.Errorf("another org's first slot is at %s, %v", first, err)
	}
	later := func() time.Time { return noon.Add(time.Hour) }
	if first, err := s.reserve(t.Context(), org, 1, later); err != nil || !first.Equal(later()) {
		t.Errorf("after an hour without requests the first slot is at %s, %v, want now", first, err)
	}
}

func TestSweepsOfOneOrgShareItsSlots(t *testing.T) {
	t.Parallel()
	table := memory.New()
	one, other := schedule{store: table, pace: time.Second}, schedule{store: table, pace: time.Second}
	for _, s := range []*schedule{&one, &other} {
		if err := s.load(t.Context(), org); err != nil || !s.next.IsZero() {
			t.Fatal(s.next, err)
		}
	}
	first, err := one.reserve(t.Context(), org, 3, atNoon)
	second, conflict := other.reserve(t.Context(), org, 3, atNoon) // its copy is old
	if err != nil || conflict != nil || !first.Equal(noon) || !second.Equal(noon.Add(3*time.Second)) {
		t.Errorf("the slots begin at %s and %s: %v, %v", first, second, err, conflict)
	}
	if err := one.load(t.Context(), org); err != nil || !one.next.Equal(noon.Add(6*time.Second)) {
		t.Errorf("the next slot is at %s, %v", one.next, err)
	}
}

// busy is a table in which another process is always faster.
type busy struct{ store.Table }

func (b busy) Commit(_ context.Context, writes ...store.Write) error {
	return &store.ConflictError{Current: map[string]store.Record{writes[0].Key: nil}}
}

func TestSlotsThatCantBeReservedAreAnError(t *testing.T) {
	t.Parallel()
	s := schedule{store: busy{memory.New()}, pace: time.Second}
	if _, err := s.reserve(t.Context(), org, 1, atNoon); !errors.As(err, new(*store.ConflictError)) {
		t.Errorf("error = %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	s.store = memory.New()
	if _, err := s.reserve(canceled, org, 1, atNoon); !errors.As(err, new(*store.UnavailableError)) {
		t.Errorf("error = %v", err)
	}
	if err := s.load(canceled, org); !errors.As(err, new(*store.UnavailableError)) {
		t.Errorf("error = %v", err)
	}
}

func TestProgressIsSavedUnlessAnotherInvocationHas(t *testing.T) {
	t.Parallel()
	table := memory.New()
	one, other := saved{store: table, key: "sweep#s"}, saved{store: table, key: "sweep#s"}
	var p, q progress
	if found, err := one.load(t.Context(), &p); err != nil || found {
		t.Fatal(found, err)
	}
	p.Limit, p.Begun = 1, noon
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := one.save(canceled, &p, noon); err != nil {
		t.Errorf("when the time is over the progress is not saved: %v", err)
	}
	q.Limit = 2
	if err := other.save(t.Context(), &q, noon); !errors.Is(err, errElsewhere) || q.Limit != 1 {
		t.Errorf("error = %v; the progress has a limit of %d, want that of the other", err, q.Limit)
	}
	if err := other.save(t.Context(), &q, noon); err != nil { // now it has read the other's
		t.Error(err)
	}
	record := table.Records()[0]
	if err := table.Commit(t.Context(), store.Write{Key: "sweep#s", Old: record[store.AttributeRev], New: store.Record{store.AttributeKey: "sweep#s", store.AttributeRev: "x", "progress": "by hand"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := one.load(t.Context(), &p); err == nil {
		t.Error("a progress that can't be read is read")
	}
}
