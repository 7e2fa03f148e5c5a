package flowsim

import (
	"slices"
	"time"
)

// What a simulator needs that runs for hours, with runs that end one by one.

// Ongoing returns the runs that are in progress, in the order in which they were made.
func Ongoing(s *Server) []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = slices.DeleteFunc(s.running, func(id string) bool { return s.runs[id] == nil || s.runs[id].Status != InProgress })
	runs := make([]Run, len(s.running))
	for i, id := range s.running {
		runs[i] = *s.runs[id]
	}
	return runs
}

// Find returns a run.
func Find(s *Server, runID string) (Run, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, found := s.runs[runID]
	if !found {
		return Run{}, false
	}
	return *r, true
}

// Forget deletes the runs that ended before a time, and all calls and tokens that are older:
// Flow Service, too, keeps runs for a time only.
func Forget(s *Server, before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sorted = nil
	s.order = slices.DeleteFunc(s.order, func(id string) bool {
		r := s.runs[id]
		old := r.Status != InProgress && r.updatedAt().Before(before)
		if old {
			delete(s.runs, id)
		}
		return old
	})
	s.calls = slices.DeleteFunc(s.calls, func(c Call) bool { return c.At.Before(before) })
	for text, t := range s.tokens {
		if t.expires.Before(before) {
			delete(s.tokens, text)
		}
	}
}
