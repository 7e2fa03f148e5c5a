package config

import "fmt"

const (
	// maxEnvironment is how many bytes Lambda lets the variables of a function have
	// together.
	maxEnvironment = 4096

	// maxRetryPolicy is how many bytes RETRY_POLICY may have. Lambda measures the
	// variables as one JSON text, in which each quotation mark of a value counts twice;
	// rules grow by about a quarter so. The other variables of template.yaml need up to
	// 1,200 bytes there, with long names and one secret; a test counts them. That leaves
	// 2,890, or rules of 2,300.
	maxRetryPolicy = 2300
)

// size refuses an environment that Lambda would not take. On Lambda it can't be larger;
// on a person's own machine ("make invoke", "sam local invoke") the refusal comes before
// the deployment.
//
// It counts the bytes of names and values: less than Lambda counts, so the function
// never refuses what Lambda has taken. Lambda's own variables and a shell's are not the
// user's and don't count; see [ofOthers].
func (r *reader) size() {
	total := 0
	for name, value := range r.env {
		if !ofOthers(name) {
			total += len(name) + len(value)
		}
	}
	rules := len(r.env[RetryPolicy])
	if rules > maxRetryPolicy {
		r.fail(RetryPolicy, fmt.Sprintf("has %d bytes, and room for %d: Lambda allows %d for all variables, and the others need the rest", rules, maxRetryPolicy, maxEnvironment))
	}
	room := maxEnvironment - (total - rules)
	switch {
	case total <= maxEnvironment:
	case rules > 0 && room > 0:
		r.fail(RetryPolicy, fmt.Sprintf("has %d bytes, and the other variables leave it room for %d: Lambda allows %d for the names and values of all, which have %d", rules, room, maxEnvironment, total))
	default:
		r.errs = append(r.errs, fmt.Errorf("the environment has %d bytes in the names and values of its variables, %d more than the %d that Lambda allows", total, total-maxEnvironment, maxEnvironment))
	}
}
