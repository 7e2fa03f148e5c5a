package main

import (
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/handler"
)

// Answer and RedeliverError are what direct invocations end with.
type (
	Answer         = handler.Answer
	RedeliverError = handler.RedeliverError
)

const (
	// postponeTime bounds how long visibility timeouts may take to be set.
	postponeTime = 5 * time.Second
	// firstBackoff is the longest first visibility timeout of a returned message.
	firstBackoff = 30 * time.Second
	// maxReceives is how often a message is received that fails without the ledger.
	maxReceives = 10
)
