package awssim

import (
	"crypto/rand"
	"time"
)

// Received is a message as its receiver gets it.
type Received struct {
	ID, Receipt, Body string
	Receives          int
	SentAt            time.Time
	Attributes        map[string]Attribute
}

// SentAt is when the message was sent to its queue.
func (m Message) SentAt() time.Time { return m.sentAt }

// Put sends a message without a call over HTTP, and returns its id. Tests that make
// thousands of worlds need that.
func (s *Server) Put(queueURL, body string) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(queueURL)
	if err != nil {
		return ""
	}
	m := &Message{ID: uuid(), Body: body, sentAt: s.now(), VisibleAt: s.now()}
	q.messages = append(q.messages, m)
	s.wake()
	return m.ID
}

// PutReceived puts a message on a queue as one that a receiver is working on, and returns its
// receipt handle. The id is the caller's.
func PutReceived(s *Server, queueURL, id, body string) (receipt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(queueURL)
	if err != nil {
		return ""
	}
	now := s.now()
	m := &Message{ID: id, Body: body, sentAt: now, receivedAt: now, VisibleAt: now.Add(q.VisibilityTimeout), Receives: 1, Changes: 1, receipt: rand.Text()}
	q.messages = append(q.messages, m)
	return m.receipt
}

// Receive receives one message by its id, visible or not: the caller decides when. It
// returns false where the message is gone.
func (s *Server) Receive(queueURL, id string) (Received, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(queueURL)
	if err != nil {
		return Received{}, false
	}
	now := s.now()
	for _, m := range q.messages {
		if m.ID != id {
			continue
		}
		m.Receives++
		m.Changes++
		m.receipt, m.receivedAt, m.VisibleAt = rand.Text(), now, now.Add(q.VisibilityTimeout)
		return Received{ID: id, Receipt: m.receipt, Body: m.Body, Receives: m.Receives, SentAt: m.sentAt, Attributes: m.Attributes}, true
	}
	return Received{}, false
}

// Delete deletes a message by its receipt handle, without a call over HTTP.
func (s *Server) Delete(queueURL, receipt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = operations{s}.remove(receiptIn{QueueURL: queueURL, ReceiptHandle: receipt}) // it may be gone
}
