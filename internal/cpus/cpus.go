// Package cpus tells how many CPUs a Lambda function has.
//
// Lambda shows a function at least two CPUs, but gives it a part of one that follows its memory
// setting: one CPU at 1,769 MB (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
// Go takes what it sees, since the part is in no file that it reads. It then works on two threads
// which have to share that part, and each has room of its own for new objects: a batch of ten
// took a quarter more CPU time, and 1.7 MiB more memory.
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
