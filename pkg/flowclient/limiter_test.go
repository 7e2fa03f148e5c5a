package flowclient_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// limiter counts turns, and may refuse them.
type limiter struct {
	turns, dones int
	failures     []flowclient.Kind
	refuse       error
	hold         func()
}

func (l *limiter) Wait(context.Context) (func(*flowclient.Error), error) {
	if l.refuse != nil {
		return nil, l.refuse
	}
	l.turns++
	if l.hold != nil {
		l.hold()
	}
	return func(failure *flowclient.Error) {
		l.dones++
		if failure != nil {
			l.failures = append(l.failures, failure.Kind)
		}
	}, nil
}

func TestEachRequestAsksTheLimiter(t *testing.T) {
	t.Parallel()
	s := &script{answers: []answer{{status: 503}, {status: 429}, {status: 401, body: `{"error_code":"401013"}`}, {status: 200, body: `{"items":[{"id":"` + runID + `"}]}`}}}
	l := &limiter{}
	client := newClient(t, s.ServeHTTP, flowclient.WithLimiter(l))
	if _, err := client.Run(t.Context(), sandbox, runID); err != nil {
		t.Fatal(err)
	}
	if s.count() != 4 || l.turns != 4 || l.dones != 4 || len(l.failures) != 3 || l.failures[1] != flowclient.KindThrottled {
		t.Errorf("%d requests, %+v", s.count(), l)
	}
}

func TestTheObserverIsToldOfEachRequestAndItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type seen struct {
			op   string
			took time.Duration
		}
		var told []seen
		slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(300 * time.Millisecond) // in virtual time
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		client := newBubbleClient(t, slow, flowclient.WithMaxAttempts(2), flowclient.WithObserver(func(op string, took time.Duration) { told = append(told, seen{op, took}) }))
		if _, err := client.Run(t.Context(), sandbox, runID); err == nil {
			t.Error("the read succeeded")
		}
		if _, err := client.Retrigger(t.Context(), sandbox, runID); err == nil {
			t.Error("the re-trigger succeeded")
		}
		want := []seen{{flowclient.OpRun, 300 * time.Millisecond}, {flowclient.OpRun, 300 * time.Millisecond}, {flowclient.OpRetrigger, 300 * time.Millisecond}}
		if !slices.Equal(told, want) {
			t.Errorf("the observer was told of %v, want %v", told, want)
		}
	})
}

func TestNothingIsSentAgainstTheLimiter(t *testing.T) {
	t.Parallel()
	s := &script{answers: []answer{{status: 200, body: made}}}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		refuse error
		kind   flowclient.Kind
		after  time.Duration
	}{
		"busy":     {&flowclient.BusyError{RetryAfter: time.Minute}, flowclient.KindThrottled, time.Minute},
		"canceled": {canceled.Err(), flowclient.KindTransient, 0},
	} {
		client := newClient(t, s.ServeHTTP, flowclient.WithLimiter(&limiter{refuse: tt.refuse}))
		_, errPost := client.Retrigger(t.Context(), sandbox, runID)
		_, errGet := client.Run(t.Context(), sandbox, runID)
		for _, err := range []error{errPost, errGet} {
			failure, ok := errors.AsType[*flowclient.Error](err)
			if !ok || failure.Kind != tt.kind || failure.RetryAfter != tt.after || failure.Attempts != 0 || failure.MayHaveTakenEffect() || !errors.Is(err, tt.refuse) {
				t.Errorf("%s: error = %#v", name, err)
			}
		}
	}
	if s.count() != 0 {
		t.Errorf("%d requests were sent", s.count())
	}
}

// TestLateRetriggerIsNotBegun: The limiter lets the re-trigger go so late that it could
// be cut off.
func TestLateRetriggerIsNotBegun(t *testing.T) {
	t.Parallel()
	s := &script{answers: []answer{{status: 200, body: made}}}
	now := time.Now()
	l := &limiter{hold: func() { now = now.Add(30 * time.Second) }}
	client := newClient(t, s.ServeHTTP, flowclient.WithLimiter(l), flowclient.WithClock(func() time.Time { return now }), flowclient.WithCallTimeout(40*time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := client.Retrigger(ctx, sandbox, runID)
	failure, ok := errors.AsType[*flowclient.Error](err)
	if !ok || !errors.Is(err, flowclient.ErrNoTime) || failure.MayHaveTakenEffect() || s.count() != 0 || l.dones != 1 {
		t.Errorf("error = %v after %d requests, %+v", err, s.count(), l)
	}
}
