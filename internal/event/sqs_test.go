package event_test

import (
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

func TestSQSBatchIsDistinguishedFromOtherPayloads(t *testing.T) {
	t.Parallel()
	const good = `{"messageId":"m","eventSource":"aws:sqs","body":"b","attributes":{"ApproximateReceiveCount":"3"}}`
	for name, test := range map[string]struct {
		payload string
		records int
		batch   bool
		fails   bool
	}{
		"one":               {`{"Records":[` + good + `]}`, 1, true, false},
		"two":               {`{"Records":[` + good + `,` + good + `]}`, 2, true, false},
		"empty":             {`{"Records":[]}`, 0, true, false},
		"empty, a request":  {`{"runId":"a","Records":[]}`, 0, false, false},
		"case not folded":   {`{"records":[]}`, 0, false, false},
		"other case beside": {`{"Records":[` + good + `],"records":[]}`, 1, true, false},
		"null":              {`{"Records":null}`, 0, false, false},
		"no list":           {`{"Records":"x"}`, 0, false, false},
		"no records":        {request, 0, false, false},
		"no JSON":           {`x`, 0, false, false},
		"SNS":               {snsRecord(request), 0, false, false},
		"no record":         {`{"Records":[null]}`, 0, false, false},
		"other source":      {`{"Records":[` + good + `,{"eventSource":"aws:s3"}]}`, 0, true, true},
		"no message id":     {`{"Records":[` + good + `,{"eventSource":"aws:sqs","body":"b"}]}`, 0, true, true},
		"id is a number":    {`{"Records":[{"messageId":5,"eventSource":"aws:sqs","body":"b"}]}`, 0, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records, batch, err := event.SQSRecords([]byte(test.payload))
			if len(records) != test.records || batch != test.batch || (err != nil) != test.fails {
				t.Errorf("%d records, batch %t, error %v", len(records), batch, err)
			}
			for _, r := range records {
				if r.ReceiveCount() != 3 || r.Body != "b" || r.MessageID != "m" {
					t.Errorf("record %+v", r)
				}
			}
		})
	}
	if n := (event.SQSRecord{}).ReceiveCount(); n != 0 {
		t.Errorf("receive count %d without attributes", n)
	}
}
