// Command sdk is the bare handler with the two packages of the AWS SDK that the function must
// have: it links them, and calls neither before its first event. What its start costs more than
// that of package bench/bare, any function with these packages pays.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func main() {
	_, _ = os.Stdout.WriteString("the function starts\n")
	lambda.Start(func(ctx context.Context) error {
		amazon, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return err
		}
		_, err = secretsmanager.NewFromConfig(amazon).ListSecrets(ctx, nil)
		return err
	})
}
