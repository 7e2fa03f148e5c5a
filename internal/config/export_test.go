package config

// Names are the names of all variables that [Load] reads.
func Names() []string { return names() }
