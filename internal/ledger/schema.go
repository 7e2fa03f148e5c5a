package ledger

// Schema is the number of the form that the entry was written in; 0 for a run without one. One
// that is greater than the constant [Schema] was written by a newer version.
func (r *Run) Schema() int { return r.schema }
