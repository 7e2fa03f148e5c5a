package operate

import (
	"context"
)

// attributeLetterID is the message attribute of a dead letter without a run.
const attributeLetterID = "letterId"

// presentOf asks the function how things are.
func presentOf(ctx context.Context, o *Operator) (Present, error) {
	return Present{}, nil
}
