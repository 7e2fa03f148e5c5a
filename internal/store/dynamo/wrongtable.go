package dynamo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// unavailable is the error of a call that DynamoDB refused or did not answer. Where the table
// is not there or is no ledger's, which a wrong LEDGER_TABLE causes, it says so.
func (t *Table) unavailable(op string, err error) error {
	refusal, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return &store.UnavailableError{Op: op, Err: err}
	}
	const fix = "name the ledger of a stack of aep-retrigger in LEDGER_TABLE (template parameter LedgerTable)"
	says := refusal.ErrorMessage()
	switch code := refusal.ErrorCode(); {
	case code == "ResourceNotFoundException":
		err = fmt.Errorf("there is no table %s in this account and region; %s: %w", t.name, fix, err)
	case code == "ValidationException" && strings.Contains(says, "does not have the specified index"):
		err = fmt.Errorf("the table %s has not all of the indexes %s, %s and %s; %s: %w", t.name, store.IndexLineage, store.IndexFlow, store.IndexList, fix, err)
	case code == "ValidationException" && strings.Contains(says, "key element does not match the schema"):
		err = fmt.Errorf("the table %s has another key than %s; %s: %w", t.name, store.AttributeKey, fix, err)
	}
	return &store.UnavailableError{Op: op, Err: err}
}
