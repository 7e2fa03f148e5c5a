package flowsim

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strconv"
)

// Fault makes the next calls of an operation go wrong.
type Fault struct {
	// Op is the operation.
	Op string
	// After is how many calls go well first.
	After int
	// Times is how many calls; 0 means one.
	Times int
	// AfterEffect lets the call take its effect first: the run is made, and its
	// answer is lost.
	AfterEffect bool
	// Status, Body, ContentType and Header are the answer. Status 0 with Reset
	// false and a nil Hang means an answer with status 200.
	Status            int
	Body, ContentType string
	Header            map[string]string
	// Reset cuts the connection instead of an answer.
	Reset bool
	// Hang holds the answer back until the client gives up.
	Hang bool
	// Truncate cuts the connection in the middle of the answer.
	Truncate bool
}

// Inject adds a fault; faults of one operation come in their order.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Times = max(f.Times, 1)
	s.faults = append(s.faults, &f)
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func faultOf(s *Server, op string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Op != op {
			continue
		}
		if f.After > 0 {
			f.After--
			return nil
		}
		if f.Times--; f.Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return f
	}
	return nil
}

// fail carries the fault out.
func (c *call) fail(f *Fault) {
	switch {
	case f.Hang:
		c.note(0)
		select {
		case <-c.r.Context().Done():
		case <-c.s.closed:
		}
		panic(http.ErrAbortHandler)
	case f.Reset:
		c.note(0)
		connection, _, err := http.NewResponseController(c.w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if tcp, ok := connection.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset instead of a proper end
		}
		_ = connection.Close()
		return
	}
	status := cmp.Or(f.Status, http.StatusOK)
	c.note(status)
	for name, value := range f.Header {
		c.w.Header().Set(name, value)
	}
	c.w.Header().Set("Content-Type", cmp.Or(f.ContentType, "application/json"))
	if f.Truncate {
		c.w.Header().Set("Content-Length", strconv.Itoa(len(f.Body)+100))
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write([]byte(f.Body))
	if f.Truncate {
		_ = http.NewResponseController(c.w).Flush()
		panic(http.ErrAbortHandler)
	}
}
