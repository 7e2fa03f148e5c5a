package event_test

import (
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
