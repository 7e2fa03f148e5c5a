package operate

// InWords is what an error of reading means to a person, as an [*Error]: which permission is
// missing, that AWS can't be reached, or what AWS said. Nil stays nil.
func InWords(err error) error { return awsError(err) }
