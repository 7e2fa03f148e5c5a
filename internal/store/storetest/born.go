package storetest

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// born: A table is made for each test. The clocks may differ a little, and DynamoDB may cut
// a time to seconds.
func born(t *testing.T, s store.Table) {
	first, err := s.Born(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(first); age < -time.Minute || age > 10*time.Minute {
		t.Errorf("the table was made at %s, %s ago", first, age)
	}
	commit(t, s, store.Write{Key: "a", New: record("a", "1")})
	if second, err := s.Born(t.Context()); err != nil || !second.Equal(first) {
		t.Errorf("later it was made at %s, and before at %s (%v)", second, first, err)
	}
}
