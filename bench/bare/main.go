// Command bare is the least Lambda function there is, to compare with: it says that it starts,
// and takes events.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	_, _ = os.Stdout.WriteString("the function starts\n")
	lambda.Start(func(context.Context) error { return nil })
}
