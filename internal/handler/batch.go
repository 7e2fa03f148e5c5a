package handler

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-lambda-go/events"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// batch answers a batch of SQS messages with those that must be delivered again.
func (h *Handler) batch(ctx context.Context, records []event.SQSRecord) ([]byte, error) {
	deliveries := make([]delivery, len(records))
	for i, record := range records {
		deliveries[i] = decode([]byte(record.Body), "message-"+record.MessageID)
		deliveries[i].wasDeadLetter, deliveries[i].letterID = record.IsDeadLetter(), record.LetterID()
		deliveries[i].again = record.ReceiveCount() > 1 || record.IsDeadLetter()
		deliveries[i].onQueue()
		if at := record.SentAt(); !at.IsZero() {
			deliveries[i].sent(at)
		}
		deliveries[i].name = fmt.Sprintf("%s/%d", record.MessageID, record.ReceiveCount())
	}
	b := batch{control: h.control, returns: h.returns, ctx: ctx, records: records, deliveries: deliveries, named: map[string]bool{}, answer: events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}}
	// Answer finished messages first: a waiting message needs its visibility timeout set
	// before a slow call holds up the batch.
	h.worker.begin(deliveries)
	b.answerFinished((*delivery).done)
	read := h.worker.read(ctx, deliveries)
	b.giveUpPoison(read)
	brief, cancel := context.WithTimeout(ctx, h.sweepTime)
	defer cancel()
	waitForControl := h.control.start(brief, deliveries)
	h.worker.work(ctx, deliveries, read)
	b.answerFinished((*delivery).done)
	waitForControl()
	b.answerFinished(func(*delivery) bool { return true })
	h.finish(ctx, deliveries)
	return json.Marshal(b.answer)
}

// batch is an SQS batch on its way.
type batch struct {
	control *controller
	returns *returns

	ctx        context.Context
	records    []event.SQSRecord
	deliveries []delivery
	named      map[string]bool // a message id goes into the answer once
	answer     events.SQSEventResponse
}

// answerFinished decides for deliveries whose work is done whether their messages come
// again, and when.
func (b *batch) answerFinished(which func(*delivery) bool) {
	var postponed []requestqueue.Postponed
	for i := range b.deliveries {
		d := &b.deliveries[i]
		if d.answered || !which(d) {
			continue
		}
		d.answered = true
		receives := b.records[i].ReceiveCount()
		b.dispose(d, disposition(d.message(receives, b.records[i].SentAt())))
		if id := b.records[i].MessageID; d.comesAgain() && !b.named[id] {
			b.named[id] = true
			b.answer.BatchItemFailures = append(b.answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
			if b.returns.ownQueue(b.records[i].EventSourceARN) {
				postponed = append(postponed, requestqueue.Postponed{
					ReceiptHandle: b.records[i].ReceiptHandle, Delay: d.backoff(receives),
				})
			}
		}
	}
	if len(postponed) > 0 {
		b.returns.postpone(b.ctx, postponed)
	}
}

// dispose does what the disposition says. What is left is deleted or comes again.
func (b *batch) dispose(d *delivery, w what) {
	switch w {
	case RequeueCopy:
		if d.sweep != nil {
			b.control.continueLater(b.ctx, d)
			return
		}
		b.returns.requeue(b.ctx, d)
	case RequeueRest:
		b.returns.requeue(b.ctx, d)
		b.returns.giveUp(b.ctx, d)
	case GiveUpWaiting:
		d.results.waitedTooLong()
		b.returns.giveUp(b.ctx, d)
	case GiveUpPoison:
		d.neverFinished()
		b.returns.giveUp(b.ctx, d)
	case GiveUp:
		if d.sweep != nil {
			b.control.refuseSweep(b.ctx, d, "it was delivered thousands of times and has not ended")
			return
		}
		b.returns.giveUp(b.ctx, d)
	case WorkOnIt, Delete, Return:
	}
}

// giveUpPoison makes dead letters of messages that crash the function, before the function
// works on them once more.
func (b *batch) giveUpPoison(read *retry.Batch) {
	for i := range b.deliveries {
		d := &b.deliveries[i]
		if !d.answered {
			b.dispose(d, disposition(d.unworked(b.records[i].ReceiveCount(), b.records[i].SentAt(), read)))
		}
	}
}
