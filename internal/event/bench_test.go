package event_test

import (
	"slices"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

func BenchmarkDecode(b *testing.B) {
	files := exampleFiles(b)
	for name, file := range map[string]string{
		"request": "request.json", "event": "eventbridge-failure.json", "on-failure": "on-failure-envelope.json", "pipeline": "pipeline-notifications.json",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(files[file])))
			for b.Loop() {
				if _, err := event.Decode(files[file]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBatch reads a batch of ten failure events, as Lambda delivers it.
func BenchmarkBatch(b *testing.B) {
	body := string(exampleFiles(b)["eventbridge-failure.json"])
	payload := []byte(sqs(slices.Repeat([]string{body}, 10)...))
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		records, _, err := event.SQSRecords(payload)
		if err != nil || len(records) != 10 {
			b.Fatalf("%d records, error %v", len(records), err)
		}
		for _, record := range records {
			if _, err := event.Decode([]byte(record.Body)); err != nil {
				b.Fatal(err)
			}
		}
	}
}
