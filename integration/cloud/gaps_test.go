//go:build cloud

package cloud

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

// gap is something of the template that moto can't hold.
type gap struct {
	what, reason string
	// held reports whether moto holds it by now, so that the gap is to be taken off its list.
	// It is nil where TestEachTypeIsHeldOrListed checks the whole list.
	held func(t *testing.T, d *deployment) bool
}

// missingTypes are the types of resources that moto's CloudFormation does not know. They are
// taken out of the template.
func missingTypes() []gap {
	const unknown = "moto's CloudFormation does not know the type"
	return []gap{
		{what: "AWS::CloudWatch::Alarm", reason: unknown},
		{what: "AWS::Lambda::EventInvokeConfig", reason: unknown},
		{what: "AWS::Logs::QueryDefinition", reason: unknown},
		{what: "AWS::SNS::TopicPolicy", reason: unknown},
		{what: "AWS::SQS::QueuePolicy", reason: unknown},
	}
}

// missingDependents are what goes with them.
func missingDependents() []gap {
	return []gap{
		{what: "Dashboard", reason: "it names the alarms"},
		{what: "output DashboardName", reason: "it names the dashboard"},
		{what: "output FunctionErrorsAlarmArn", reason: "it names an alarm"},
	}
}

// ignored are what moto makes a resource without.
func ignored() []gap {
	return []gap{
		{"TimeToLiveSpecification", "moto's CloudFormation does not set the table's time to live", func(t *testing.T, d *deployment) bool {
			t.Helper()
			out, err := d.tables.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(d.outputs["LedgerTable"])})
			must(t, err)
			return out.TimeToLiveDescription.TimeToLiveStatus == dynamotypes.TimeToLiveStatusEnabled
		}},
		{"PointInTimeRecoverySpecification", "moto's CloudFormation does not switch on the table's backup", func(t *testing.T, d *deployment) bool {
			t.Helper()
			out, err := d.tables.DescribeContinuousBackups(t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String(d.outputs["LedgerTable"])})
			must(t, err)
			return out.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == dynamotypes.PointInTimeRecoveryStatusEnabled
		}},
		{"RedriveAllowPolicy", "moto does not keep it", func(t *testing.T, d *deployment) bool {
			t.Helper()
			return d.attributes(t, "DeadLetterQueueUrl")[string(sqstypes.QueueAttributeNameRedriveAllowPolicy)] != ""
		}},
		{"LoggingConfig", "moto's CloudFormation does not set the function's", func(t *testing.T, d *deployment) bool {
			t.Helper()
			return d.configuration(t).LoggingConfig.LogGroup == d.outputs["LogGroupName"]
		}},
	}
}

// refused are settings with which moto does not make the stack, or does not do what AWS does.
func refused() []gap {
	makes := func(parameters map[string]string) func(*testing.T, *deployment) bool {
		return func(t *testing.T, d *deployment) bool {
			t.Helper()
			next := &deployment{clients: d.clients, name: newName()}
			all := map[string]string{"SecretArns": d.addSecret(t, "-"+next.name)}
			maps.Copy(all, parameters)
			return next.create(t.Context(), d.made, all) == nil
		}
	}
	return []gap{
		{"`NotifyEmail` without `NoticeBusName`", "moto's event bus has no `Ref`", makes(map[string]string{"NotifyEmail": "someone@example.com"})},
		{"a bus of a partner", "moto takes what comes after the last slash for its name", func(t *testing.T, d *deployment) bool {
			t.Helper()
			_, err := d.buses.CreatePartnerEventSource(t.Context(), &eventbridge.CreatePartnerEventSourceInput{Name: aws.String(partner), Account: aws.String(awssim.Account)})
			must(t, err)
			_, err = d.buses.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String(partner), EventSourceName: aws.String(partner)})
			must(t, err)
			return makes(map[string]string{"EventBusName": partner})(t, d)
		}},
		{"a parameter's `AllowedPattern`", "moto does not check it", func(t *testing.T, d *deployment) bool {
			t.Helper()
			return !makes(map[string]string{"EventBusName": d.bus, "SweepSince": "yesterday"})(t, d)
		}},
		{"`AWS::NoValue` in a list", "moto leaves `null` in the list; the tests take it out", func(t *testing.T, d *deployment) bool {
			t.Helper()
			makesPolicy := func(statement string) error {
				var of templateFile
				must(t, json.Unmarshal([]byte(`{"Conditions":{"Never":{"Fn::Equals":["a","b"]}},"Resources":{"Policy":{"Type":"AWS::IAM::ManagedPolicy",
					"Properties":{"PolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}`+statement+`]}}}}}`), &of))
				next := &deployment{clients: d.clients, name: newName()}
				return next.createAsItIs(t.Context(), of, nil)
			}
			must(t, makesPolicy(""))
			return makesPolicy(`,{"Fn::If":["Never",{"Effect":"Deny","Action":"s3:ListBucket","Resource":"*"},{"Ref":"AWS::NoValue"}]}`) == nil
		}},
		{"a rule that leads to a topic", "moto's rules know no topics", func(t *testing.T, d *deployment) bool {
			t.Helper()
			tells := func(detailType string) error {
				_, err := d.buses.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{{
					EventBusName: aws.String(d.outputs["NoticeBusName"]), Source: aws.String("aep-retrigger"), DetailType: &detailType, Detail: aws.String(`{}`),
				}}}, func(o *eventbridge.Options) { o.RetryMaxAttempts = 1 })
				return err
			}
			must(t, tells("of which no rule knows"))
			return tells("Run Given Up") == nil
		}},
	}
}

// held is the template without what moto can't hold.
func held(t *testing.T) (made templateFile, dropped []string) {
	t.Helper()
	made, dropped, err := prepared.transformed.without(names(missingTypes()))
	must(t, err)
	return made, dropped
}

func names(gaps []gap) (all []string) {
	for _, g := range gaps {
		all = append(all, g.what)
	}
	return all
}

// attributes are those of a queue, which an output names.
func (d *deployment) attributes(t *testing.T, output string) map[string]string {
	t.Helper()
	out, err := d.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(d.outputs[output]), AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	must(t, err)
	return out.Attributes
}

// TestEachTypeIsHeldOrListed: The list holds the template's types that moto does not know,
// and no others.
func TestEachTypeIsHeldOrListed(t *testing.T) {
	t.Parallel()
	text, err := output(t.Context(), prepared.tools+"/moto/bin/python", "-c", "import json\nfrom moto.cloudformation.parsing import get_model_map\nprint(json.dumps(list(get_model_map())))")
	must(t, err)
	var known []string
	must(t, json.Unmarshal(text, &known))
	var missing []string
	for _, name := range prepared.transformed.types() {
		if !slices.Contains(known, name) {
			missing = append(missing, name)
		}
	}
	if diff := cmp.Diff(missing, names(missingTypes())); diff != "" {
		t.Errorf("types that moto does not know (-found +listed):\n%s", diff)
	}
	_, dropped := held(t)
	if diff := cmp.Diff(dropped, names(missingDependents())); diff != "" {
		t.Errorf("what goes with them (-found +listed):\n%s", diff)
	}
}

// TestWhatIsListedAsAGapIsOne, and the document shows it.
func TestWhatIsListedAsAGapIsOne(t *testing.T) {
	t.Parallel()
	d := deploy(t, map[string]string{"NotifyEmail": "someone@example.com"})
	for _, g := range slices.Concat(ignored(), refused()) {
		if g.held(t, d) {
			t.Errorf("moto holds %s by now: take it off the list, and test it", g.what)
		}
	}
	text, err := os.ReadFile(root + "/docs/architecture.md")
	must(t, err)
	for _, g := range slices.Concat(missingTypes(), missingDependents(), ignored(), refused()) {
		t.Logf("moto does not hold %s: %s", g.what, g.reason)
		what := g.what
		if !strings.ContainsAny(what, "` ") {
			what = "`" + what + "`"
		}
		if !strings.Contains(string(text), "| "+what+" | "+g.reason+" |") {
			t.Errorf("docs/architecture.md lacks the row | %s | %s |", what, g.reason)
		}
	}
}
