// Command floor does the least that a function of this kind can do, with the same SDK and the
// same safety: no run is re-triggered twice. The benchmarks compare the function with it.
//
// For each failed run it claims the run with one conditional put, re-triggers it, and records
// the new run; the runs of an SQS batch at the same time. The secret and its token are fetched
// with the first request and kept. It reads the environment that the function reads. With
// FLOOR_READS=true it reads a run's item before it claims the run, as row 5.3 has it.
//
// It leaves out what makes the function worth having: lineages and attempts, delays, policy,
// breaker, budgets, pauses and limits, searches for lost re-triggers, dead letters, the
// explanation of a refusal, sums, metrics, notices and sweeps. A re-trigger whose answer is
// lost it never looks for: the run stays claimed. It knows one shape of events, one org and one
// spelling of op.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// callTimeout and maxAnswer bound a call of Adobe.
const (
	callTimeout = 10 * time.Second
	maxAnswer   = 1 << 20
)

// keyName is the ledger's key, as in template.yaml.
const keyName = "pk"

func main() {
	amazon, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	f := &floor{
		secrets: secretsmanager.NewFromConfig(amazon), table: dynamodb.NewFromConfig(amazon), http: &http.Client{Timeout: callTimeout},
		reads:    os.Getenv("FLOOR_READS") == "true",
		secretID: os.Getenv("SECRET_ID"), ledger: os.Getenv("LEDGER_TABLE"), ims: os.Getenv("IMS_URL"), flowService: os.Getenv("FLOW_SERVICE_URL"),
	}
	lambda.Start(f.handle)
}

type floor struct {
	secrets                            *secretsmanager.Client
	table                              *dynamodb.Client
	http                               *http.Client
	reads                              bool // a run's item, before it is claimed
	secretID, ledger, ims, flowService string

	mu     sync.Mutex // held while the access is fetched
	access access
}

// access is what a call of Flow Service needs.
type access struct {
	clientID, token string
	until           time.Time
}

// run is what an event tells of a failed run.
type run struct {
	ID      string `json:"id"`
	OrgID   string `json:"imsOrgId"`
	Sandbox string `json:"sandboxName"`
}

// handle answers an SQS batch or the event of one run.
func (f *floor) handle(ctx context.Context, payload json.RawMessage) (any, error) {
	var batch events.SQSEvent
	if err := json.Unmarshal(payload, &batch); err != nil {
		return nil, err
	}
	if len(batch.Records) == 0 {
		return map[string]string{}, f.retrigger(ctx, payload)
	}
	failed := make([]error, len(batch.Records))
	var group sync.WaitGroup
	for i, message := range batch.Records {
		group.Go(func() { failed[i] = f.retrigger(ctx, []byte(message.Body)) })
	}
	group.Wait()
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i, err := range failed {
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: batch.Records[i].MessageId})
		}
	}
	return answer, nil
}

// retrigger claims a run, re-triggers it and records that. A run that is claimed already is
// done with.
func (f *floor) retrigger(ctx context.Context, event []byte) error {
	var r run
	if err := json.Unmarshal(event, &r); err != nil {
		return err
	}
	access, err := f.allowed(ctx)
	if err != nil {
		return err
	}
	key := &types.AttributeValueMemberS{Value: "floor/" + r.ID}
	if f.reads {
		known, err := f.table.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			f.ledger: {Keys: []map[string]types.AttributeValue{{keyName: key}}, ConsistentRead: aws.Bool(true)},
		}})
		if err != nil || len(known.Responses[f.ledger]) > 0 {
			return err
		}
	}
	_, err = f.table.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &f.ledger, Item: map[string]types.AttributeValue{keyName: key, "state": &types.AttributeValueMemberS{Value: "claimed"}},
		ConditionExpression: aws.String("attribute_not_exists(" + keyName + ")"),
	})
	switch {
	case errors.As(err, new(*types.ConditionalCheckFailedException)):
		return nil
	case err != nil:
		return err
	}
	var made struct {
		ID string `json:"id"`
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.flowService+"/runs/"+url.PathEscape(r.ID)+"/action?op=re-trigger", nil)
	if err != nil {
		return err
	}
	request.Header = http.Header{
		"Authorization": {"Bearer " + access.token}, "X-Api-Key": {access.clientID}, "X-Gw-Ims-Org-Id": {r.OrgID},
		"X-Sandbox-Name": {r.Sandbox}, "Content-Type": {"application/json"}, "Accept": {"application/json"},
	}
	if err := f.do(request, &made); err != nil {
		return err
	}
	_, err = f.table.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &f.ledger, Key: map[string]types.AttributeValue{keyName: key},
		UpdateExpression: aws.String("SET #state = :done, #made = :made"), ExpressionAttributeNames: map[string]string{"#state": "state", "#made": "made"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":done": &types.AttributeValueMemberS{Value: "retriggered"}, ":made": &types.AttributeValueMemberS{Value: made.ID}},
	})
	return err
}

// allowed returns the access, and fetches secret and token where there is none.
func (f *floor) allowed(ctx context.Context) (access, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Now().Before(f.access.until) {
		return f.access, nil
	}
	out, err := f.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &f.secretID})
	if err != nil {
		return access{}, err
	}
	var secret struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		Scopes       string `json:"scopes"`
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.SecretString)), &secret); err != nil {
		return access{}, errors.New("the secret is not JSON")
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {secret.ClientID}, "client_secret": {secret.ClientSecret}, "scope": {secret.Scopes}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.ims+"/ims/token/v3", strings.NewReader(form.Encode()))
	if err != nil {
		return access{}, err
	}
	request.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	var token struct {
		Text    string `json:"access_token"`
		Seconds int    `json:"expires_in"`
	}
	if err := f.do(request, &token); err != nil {
		return access{}, err
	}
	f.access = access{secret.ClientID, token.Text, time.Now().Add(time.Duration(token.Seconds)*time.Second - time.Minute)}
	return f.access, nil
}

// do makes a call of Adobe and decodes its answer.
func (f *floor) do(request *http.Request, into any) error {
	response, err := f.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", request.URL.Path, response.Status)
	}
	return json.Unmarshal(body, into)
}
