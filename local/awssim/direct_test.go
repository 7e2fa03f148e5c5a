package awssim_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

func TestAMessageIsPutReceivedAndDeletedWithoutHTTP(t *testing.T) {
	t.Parallel()
	s := awssim.New()
	queue := s.AddQueue(awssim.Queue{Name: "q", VisibilityTimeout: time.Minute})
	id, other := s.Put(queue, "a"), s.Put(queue, "b")
	first, ok := s.Receive(queue, id)
	if !ok || first.Body != "a" || first.Receives != 1 || time.Since(first.SentAt) > time.Minute {
		t.Fatalf("%+v, %t", first, ok)
	}
	again, ok := s.Receive(queue, id) // visible or not
	if !ok || again.Receives != 2 || again.Receipt == first.Receipt {
		t.Fatalf("%+v, %t", again, ok)
	}
	if m := s.Messages(queue); len(m) != 2 || m[0].Changes != 2 || m[1].Changes != 0 || m[0].SentAt() != first.SentAt {
		t.Errorf("%+v", m)
	}
	s.Delete(queue, again.Receipt)
	if _, ok := s.Receive(queue, id); ok {
		t.Error("a deleted message was received")
	}
	if _, ok := s.Receive(queue, other); !ok {
		t.Error("the other message is gone")
	}
	receipt := awssim.PutReceived(s, queue, "an-id", "c")
	if m := s.Messages(queue); len(m) != 2 || m[1].ID != "an-id" || !m[1].VisibleAt.After(time.Now()) {
		t.Errorf("%+v", m)
	}
	if s.Delete(queue, receipt); len(s.Messages(queue)) != 1 {
		t.Error("the message that was put as received is still there")
	}
	if id := s.Put("http://127.0.0.1/nowhere", "c"); id != "" {
		t.Error("a queue that does not exist has taken a message")
	}
}
