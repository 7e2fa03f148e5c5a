//go:build slow

package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
)

// TestSweepGoesOnAfterTheSecretIsRotated: The token expires in the middle of the sweep.
func TestSweepGoesOnAfterTheSecretIsRotated(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(600, 5)
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		if r.State != sweep.Continues {
			t.Fatalf("the report is %+v", r)
		}
		w.Adobe.RotateSecret(worldOrg, "rotated")
		w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":"rotated","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg))
		w.Drain(5 * time.Hour)
		w.wantOnce(t, ids)
	})
}
