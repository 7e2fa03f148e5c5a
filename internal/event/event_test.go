package event_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	const retryA, retryB = "retry " + runA, "retry " + runB
	run := failed(runA, "")
	nested := func(n int) string { return strings.Repeat("[", n) + request + strings.Repeat("]", n) }
	for name, test := range map[string]struct {
		payload string
		want    []string
	}{
		// Requests by hand.
		"request":                    {request, []string{retryA}},
		"request, white space":       {" \n" + request + "\t\n", []string{retryA}},
		"request, every field":       {`{"runId":"r","flowId":"f","orgId":"o","sandbox":"s","dryRun":true,"force":false,"reason":"x","origin":{}}`, []string{"retry r"}},
		"requests":                   {`{"requests":[` + request + `,{"runId":"` + runB + `"}]}`, []string{retryA, retryB}},
		"list of requests":           {`[` + request + `,{"runId":"` + runB + `"}]`, []string{retryA, retryB}},
		"requests, empty":            {`{"requests":[]}`, []string{"error unreadable"}},
		"requests, no list":          {`{"requests":{}}`, []string{"error wrong_type"}},
		"requests, null":             {`{"requests":null}`, []string{"error wrong_type"}},
		"requests with more":         {`{"requests":[` + request + `],"dryRun":true}`, []string{"error unreadable"}},
		"requests, twice":            {`{"requests":[` + request + `],"requests":[]}`, []string{"error repeated_field"}},
		"requests, bad ones":         {`{"requests":[` + request + `,{},5,{"runId":""},` + run + `,"` + runA + `",{"runId":"` + runB + `"}]}`, []string{retryA, "error missing_run_id", "error wrong_type", "error invalid_run_id", "error unknown_field", "error wrong_type", retryB}},
		"unknown field":              {`{"runId":"r","color":"red"}`, []string{"error unknown_field"}},
		"misspelled field":           {`{"runId":"r","dry_run":true}`, []string{"error unknown_field"}},
		"misspelled run id":          {`{"runid":"r"}`, []string{"error unknown_field"}},
		"misspelled run id 2":        {`{"run_id":"r"}`, []string{"error unknown_field"}},
		"misspelled run id 3":        {`{"RunId":"r"}`, []string{"error unknown_field"}},
		"misspelled requests":        {`{"request":[]}`, []string{"error unknown_field"}},
		"case is not folded":         {`{"runId":"r","Sandbox":"prod"}`, []string{"error unknown_field"}},
		"run id twice":               {`{"runId":"a","runId":"b"}`, []string{"error repeated_field"}},
		"sandbox twice":              {`{"runId":"a","sandbox":"x","sandbox":"x"}`, []string{"error repeated_field"}},
		"same key by escape":         {`{"runId":"a","run\u0049d":"b"}`, []string{"error repeated_field"}},
		"run id, number":             {`{"runId":1}`, []string{"error wrong_type"}},
		"run id, null":               {`{"runId":null}`, []string{"error wrong_type"}},
		"sandbox, null":              {`{"runId":"a","sandbox":null}`, []string{"error wrong_type"}},
		"dryRun, text":               {`{"runId":"a","dryRun":"true"}`, []string{"error wrong_type"}},
		"force, number":              {`{"runId":"a","force":1}`, []string{"error wrong_type"}},
		"reason, list":               {`{"runId":"a","reason":["x"]}`, []string{"error wrong_type"}},
		"origin, text":               {`{"runId":"a","origin":"x"}`, []string{"error wrong_type"}},
		"origin, null":               {`{"runId":"a","origin":null}`, []string{"error wrong_type"}},
		"origin, unknown field":      {`{"runId":"a","origin":{"color":"red"}}`, []string{"error unknown_field"}},
		"origin, case is not folded": {`{"runId":"a","origin":{"Attempts":3}}`, []string{"error unknown_field"}},
		"origin, field twice":        {`{"runId":"a","origin":{"attempts":3,"attempts":0}}`, []string{"error repeated_field"}},
		"origin, unknown in errors":  {`{"runId":"a","origin":{"errors":[{"color":"red"}]}}`, []string{"error wrong_type"}},
		"origin, attempts a text":    {`{"runId":"a","origin":{"attempts":"3"}}`, []string{"error wrong_type"}},
		"records beside a request":   {`{"runId":"a","Records":[]}`, []string{"error unknown_field"}},
		"origin, year beyond RFC":    {`{"runId":"a","origin":{"failedAt":"9999-12-31T23:59:59-23:59"}}`, []string{"retry a"}},
		"sandbox with space":         {`{"runId":"a","sandbox":"my prod"}`, []string{"error invalid_field"}},
		"org with control character": {`{"runId":"a","orgId":"o\u0000"}`, []string{"error invalid_field"}},
		"flow too long":              {`{"runId":"a","flowId":"` + strings.Repeat("x", 257) + `"}`, []string{"error invalid_field"}},
		"reason too long":            {`{"runId":"a","reason":"` + strings.Repeat("x", event.MaxReason+1) + `"}`, []string{"error invalid_field"}},
		"empty optional fields":      {`{"runId":"a","sandbox":"","orgId":"","flowId":"","reason":""}`, []string{"retry a"}},

		// Sweeps.
		"sweep":                  {`{"sweep":{"since":"24h","sandbox":"prod","flowId":"f","limit":1,"dryRun":true}}`, []string{"sweep"}},
		"sweep, defaults":        {`{"sweep":{}}`, []string{"sweep"}},
		"sweep since a time":     {`{"sweep":{"since":"2026-11-23T06:00:00Z"}}`, []string{"sweep"}},
		"sweep since nonsense":   {`{"sweep":{"since":"yesterday"}}`, []string{"error invalid_field"}},
		"sweep since the future": {`{"sweep":{"since":"-1h"}}`, []string{"error invalid_field"}},
		"sweep, limit 0":         {`{"sweep":{"limit":0}}`, []string{"error invalid_field"}},
		"sweep, limit a float":   {`{"sweep":{"limit":1.5}}`, []string{"error wrong_type"}},
		"sweep, unknown field":   {`{"sweep":{"dry_run":true}}`, []string{"error unknown_field"}},
		"sweep, field twice":     {`{"sweep":{"limit":1,"limit":2}}`, []string{"error repeated_field"}},
		"sweep, bad sandbox":     {`{"sweep":{"sandbox":"a b"}}`, []string{"error invalid_field"}},
		"sweep, bad flow":        {`{"sweep":{"flowId":"f\n"}}`, []string{"error invalid_field"}},
		"sweep, empty names":     {`{"sweep":{"sandbox":"","flowId":""}}`, []string{"sweep"}},
		"sweep until":            {`{"sweep":{"since":"48h","until":"24h"}}`, []string{"sweep"}},
		"sweep until nonsense":   {`{"sweep":{"until":"soon"}}`, []string{"error invalid_field"}},
		"sweep, lists":           {`{"sweep":{"orgId":["A@AdobeOrg"],"sandbox":["prod","dev"],"flowId":["f","g"],"code":["CONNECTOR-*"]}}`, []string{"sweep"}},
		"sweep, empty list":      {`{"sweep":{"sandbox":[]}}`, []string{"error invalid_field"}},
		"sweep, list of numbers": {`{"sweep":{"sandbox":[1]}}`, []string{"error wrong_type"}},
		"sweep, name a number":   {`{"sweep":{"flowId":1}}`, []string{"error wrong_type"}},
		"sweep, empty element":   {`{"sweep":{"code":["a",""]}}`, []string{"error invalid_field"}},
		"sweep, requeues 0":      {`{"sweep":{"requeues":0}}`, []string{"error invalid_field"}},
		"pause":                  {`{"pause":{}}`, []string{"pause"}},
		"pause a dataflow":       {`{"pause":{"orgId":"A@AdobeOrg","flowId":"f","reason":"maintenance"}}`, []string{"pause A@AdobeOrg f"}},
		"pause, unknown field":   {`{"pause":{"sandbox":"prod"}}`, []string{"error unknown_field"}},
		"pause, field twice":     {`{"pause":{"orgId":"A","orgId":"B"}}`, []string{"error repeated_field"}},
		"pause, true":            {`{"pause":true}`, []string{"error wrong_type"}},
		"pause, bad dataflow":    {`{"pause":{"flowId":"a b"}}`, []string{"error invalid_field"}},
		"pause, long reason":     {`{"pause":{"reason":"` + strings.Repeat("x", event.MaxReason+1) + `"}}`, []string{"error invalid_field"}},
		"resume":                 {`{"resume":{"orgId":"A@AdobeOrg"}}`, []string{"resume A@AdobeOrg"}},
		"pause and resume":       {`{"pause":{},"resume":{}}`, []string{"error unreadable"}},
		"pause and sweep":        {`[{"pause":{}},{"sweep":{}}]`, []string{"error unreadable"}},
		"pause in EventBridge":   {eventBridge(`{"pause":{}}`), []string{"error unrecognized"}},
		"sweep, true":            {`{"sweep":true}`, []string{"error wrong_type"}},
		"sweep, null":            {`{"sweep":null}`, []string{"error wrong_type"}},
		"sweep with more":        {`{"sweep":{},"runId":"a"}`, []string{"error unreadable"}},
		"sweep and request":      {`[{"sweep":{}},` + request + `]`, []string{"error unreadable"}},
		"sweep twice":            {`[{"sweep":{}},{"sweep":{"limit":5}}]`, []string{"error unreadable"}},
		"sweep and bad sweep":    {`[{"sweep":{}},{"sweep":{"limit":0}}]`, []string{"error unreadable"}},
		"schedule":               {`{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`, []string{"sweep"}},
		"schedule, Scheduler":    {`{"detail-type":"Scheduled Event","source":"aws.scheduler","detail":"{}"}`, []string{"sweep"}},
		"schedule, on-failure":   {onFailure(`{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`), []string{"sweep"}},
		"schedule of another":    {`{"detail-type":"Scheduled Event","source":"com.example","detail":{}}`, []string{"skip foreign_event"}},
		"schedule in an event":   {eventBridge(`{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`), []string{"error unrecognized"}},

		// Wrappings, alone and nested.
		"bare run":                   {run, []string{retryA}},
		"EventBridge":                {eventBridge(run), []string{retryA}},
		"EventBridge, text":          {eventBridge(quote(run)), []string{retryA}},
		"EventBridge, list":          {eventBridge(pipeline(run)), []string{retryA}},
		"EventBridge, event":         {eventBridge(adobeEvent(run)), []string{retryA}},
		"EventBridge, CloudEvent":    {eventBridge(cloudEvent(run)), []string{retryA}},
		"EventBridge, SNS":           {eventBridge(sns(run)), []string{retryA}},
		"event":                      {adobeEvent(run), []string{retryA}},
		"event, eventid":             {`{"eventid":"e","event":` + run + `}`, []string{retryA}},
		"event, pipeline":            {adobeEvent(pipeline(run)), []string{retryA}},
		"event, text":                {adobeEvent(quote(run)), []string{retryA}},
		"event, text of nothing":     {adobeEvent(`"hello"`), []string{"error unrecognized"}},
		"CloudEvent":                 {cloudEvent(run), []string{retryA}},
		"CloudEvent, text":           {cloudEvent(quote(run)), []string{retryA}},
		"CloudEvent, base64":         {`{"specversion":"1.0","data_base64":"` + base64.StdEncoding.EncodeToString([]byte(run)) + `"}`, []string{retryA}},
		"CloudEvent, event":          {cloudEvent(adobeEvent(run)), []string{retryA}},
		"CloudEvent, pipeline":       {cloudEvent(pipeline(run)), []string{retryA}},
		"CloudEvent, no data":        {`{"specversion":"1.0","id":"c"}`, []string{"skip foreign_event"}},
		"SNS":                        {sns(run), []string{retryA}},
		"SNS, request":               {sns(request), []string{retryA}},
		"SNS, confirmation":          {`{"Type":"SubscriptionConfirmation","TopicArn":"t","Message":"m"}`, []string{"skip foreign_event"}},
		"SNS records":                {snsRecord(request), []string{retryA}},
		"SQS records":                {sqs(request, run, "x"), []string{retryA, retryA, "error unreadable"}},
		"test event of S3":           {`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`, []string{"skip foreign_event"}},
		"records of S3":              {`{"Records":[{"eventSource":"aws:s3"}]}`, []string{"skip foreign_event"}},
		"records, empty":             {`{"Records":[]}`, []string{"error unreadable"}},
		"records, text":              {`{"Records":"x"}`, []string{"error unreadable"}},
		"on-failure":                 {onFailure(eventBridge(run)), []string{retryA}},
		"on-failure, request":        {onFailure(request), []string{retryA}},
		"on-failure, null":           {onFailure("null"), []string{"error wrong_type"}},
		"text":                       {quote(request), []string{retryA}},
		"text in text":               {quote(quote(run)), []string{retryA}},
		"SQS, SNS, on-failure, EB":   {sqs(sns(onFailure(eventBridge(run)))), []string{retryA}},
		"pipeline":                   {pipeline(run, ended(`"success"`), failed(runB, "")), []string{retryA, "skip run_succeeded", retryB}},
		"pipeline, text":             {pipeline(quote(run)), []string{retryA}},
		"pipeline, one message":      {pipeline(run)[1 : len(pipeline(run))-1], []string{retryA}},
		"pipeline, bad ones":         {pipeline(failed("", ""), run, "null", "5", "{}"), []string{"error missing_run_id", retryA, "error unrecognized", "error unrecognized", "error unrecognized"}},
		"pipeline, no messages":      {`[{"messages":[]},` + request + `]`, []string{"error unrecognized", retryA}},
		"list, bad ones":             {`[1,` + request + `,null,"x",{"a":1},[],` + run + `]`, []string{"error wrong_type", retryA, "error wrong_type", "error unreadable", "error unrecognized", "error unreadable", retryA}},
		"request in EventBridge":     {eventBridge(request), []string{"error unrecognized"}},
		"request in EventBridge SNS": {eventBridge(sns(request)), []string{"error unrecognized"}},
		"request in EventBridge SQS": {eventBridge(sqs(request)), []string{"error unrecognized"}},
		"request in a CloudEvent":    {cloudEvent(request), []string{"error unrecognized"}},
		"sweep in EventBridge":       {eventBridge(`{"sweep":{}}`), []string{"error unrecognized"}},
		"EventBridge, no detail":     {eventBridge("null"), []string{"error unrecognized"}},
		"event, null":                {adobeEvent("null"), []string{"error unrecognized"}},
		"event of something else":    {adobeEvent(`{"a":1}`), []string{"error unrecognized"}},
		"event with code of another": {adobeEvent(`{"eventCode":"asset_created"}`), []string{"error unrecognized"}},
		"challenge":                  {`{"challenge":"x"}`, []string{"skip foreign_event"}},

		// Statuses.
		"status Failed":               {ended(`"Failed"`), []string{retryA}},
		"status FAILED":               {ended(`"FAILED"`), []string{retryA}},
		"status success":              {ended(`"success"`), []string{"skip run_succeeded"}},
		"status completed":            {ended(`"completed"`), []string{"skip run_succeeded"}},
		"status partialSuccess":       {ended(`"partialSuccess"`), []string{"skip run_partly_succeeded"}},
		"status partial_success":      {ended(`"partial_success"`), []string{"skip run_partly_succeeded"}},
		"status inProgress":           {ended(`"inProgress"`), []string{"skip run_in_progress"}},
		"status in_progress":          {ended(`"IN_PROGRESS"`), []string{"skip run_in_progress"}},
		"status queued":               {ended(`"queued"`), []string{"skip run_in_progress"}},
		"status unknown":              {ended(`"canceled"`), []string{"error run_status_unknown"}},
		"org no text":                 {failed(runA, `,"imsOrgId":{"id":"x"}`), []string{"error wrong_type"}},
		"sandbox no text":             {failed(runA, `,"sandboxName":7`), []string{"error wrong_type"}},
		"no metrics but activities":   {`{"id":"r","flowId":"f","activities":[]}`, []string{"error unrecognized"}},
		"status missing":              {ended(`null`), []string{"error unrecognized"}},
		"status no text":              {ended(`{"x":1}`), []string{"error unrecognized"}},
		"code of failure, success":    {strings.Replace(ended(`"success"`), "{", `{"header":{"_adobeio":{"eventCode":"source_flow_run_error"}},`, 1), []string{"skip run_succeeded"}},
		"delay alert":                 {`{"id":"a","name":"sources_flow_run_delay_150","status":"FIRING","flowId":"f","header":{"_adobeio":{"eventCode":"source_flow_run_error"}}}`, []string{"skip run_delayed_alert"}},
		"alert on a run, no delay":    {eventBridge(`{"id":"a","flowRunId":"r","flowId":"f","status":"FIRING","eventCode":"source_flow_run_error"}`), []string{"error unrecognized"}},
		"error-rate alert":            {`{"id":"a","status":"INACTIVE","flowId":"f","header":{"_adobeio":{"eventCode":"source_flow_run_error"}}}`, []string{"skip error_rate_alert"}},
		"ingestion by its id":         {`{"xdm:ingestionId":"i"}`, []string{"skip ingestion_event"}},
		"ingestion by its code":       {`{"eventCode":"ing_load_success"}`, []string{"skip ingestion_event"}},
		"ingestion":                   {`{"xdm:ingestionId":"i","xdm:eventCode":"ing_load_failure"}`, []string{"skip ingestion_event"}},
		"downstream":                  {failed(runA, `,"predecessors":[{"id":"x"}]`), []string{"skip downstream_run"}},
		"no predecessors":             {failed(runA, `,"predecessors":[ ]`), []string{retryA}},
		"no predecessors, null":       {failed(runA, `,"predecessors":null`), []string{retryA}},
		"org differs":                 {failed(runA, `,"header":{"_adobeio":{"imsOrgId":"other@AdobeOrg"}}`), []string{"error org_mismatch"}},
		"org differs in the pipeline": {strings.Replace(pipeline(run), org, "other@AdobeOrg", 1), []string{"error org_mismatch"}},
		"failed run without id":       {failed("", ""), []string{"error missing_run_id"}},
		"failed run, bad id":          {failed("a/b", ""), []string{"error invalid_run_id"}},
		"failed run, bad sandbox":     {failed(runA, `,"sandboxName":"a b"`), []string{"error invalid_field"}},
		"fields of other types":       {failed(runA, `,"header":[],"activities":"x","updatedAt":{},"flowName":7`), []string{retryA}},

		// Noise and limits.
		"nothing":            {"", []string{"error unreadable"}},
		"white space":        {" \n", []string{"error unreadable"}},
		"null":               {"null", []string{"error wrong_type"}},
		"number":             {"5", []string{"error wrong_type"}},
		"true":               {"true", []string{"error wrong_type"}},
		"empty object":       {"{}", []string{"error empty"}},
		"empty list":         {"[]", []string{"error unreadable"}},
		"empty text":         {`""`, []string{"error unreadable"}},
		"plain text":         {"retry the run", []string{"error unreadable"}},
		"cut":                {request[:len(request)-1], []string{"error unreadable"}},
		"two values":         {request + request, []string{"error unreadable"}},
		"noise of 256 KB":    {strings.Repeat("\x00\xff\x80{[", 256<<10/5), []string{"error unreadable"}},
		"text of 256 KB":     {quote(strings.Repeat("x", 256<<10)), []string{"error unreadable"}},
		"brackets":           {strings.Repeat("[", 256<<10), []string{"error unreadable"}},
		"many keys":          {`{` + strings.Repeat(`"k":1,`, 40000) + `"z":1}`, []string{"error unrecognized"}},
		"just deep enough":   {nested(event.MaxDepth), []string{retryA}},
		"too deep":           {nested(event.MaxDepth + 1), []string{"error too_deep"}},
		"too deep, neighbor": {`[` + request + `,` + nested(event.MaxDepth+1) + `]`, []string{retryA, "error too_deep"}},
		"just large enough":  {request + strings.Repeat(" ", event.MaxPayload-len(request)), []string{retryA}},
		"too large":          {request + strings.Repeat(" ", event.MaxPayload-len(request)+1), []string{"error too_large"}},
		"too many":           {`[` + strings.Repeat(request+",", event.MaxItems) + request + `]`, []string{"error too_large"}},
		"too many bad ones":  {`[` + strings.Repeat("1,", event.MaxItems) + `1]`, []string{"error too_large"}},
		"too many requests":  {`{"requests":[` + strings.Repeat(request+",", event.MaxItems) + request + `]}`, []string{"error too_large"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, decoded(t, test.payload)); diff != "" {
				t.Errorf("Decode: -want +got\n%s", diff)
			}
		})
	}
}

func TestDecodeMostItems(t *testing.T) {
	t.Parallel()
	if got := decoded(t, `[`+strings.Repeat(request+",", event.MaxItems-1)+request+`]`); len(got) != event.MaxItems {
		t.Errorf("got %d items, want %d: first %s", len(got), event.MaxItems, got[0])
	}
}

func TestRequestOfEvent(t *testing.T) {
	t.Parallel()
	payload := adobeEvent(failed(runA, `,"flowName":"hourly","createdClient":"exc_app","createdAt":1795413000456,
		"metrics":{"durationSummary":{"completedAtUTC":1795413500123},"statusSummary":{"status":"failed",
			"errors":[{"code":"CONNECTOR-1001-500","message":"copy failed"}],
			"extensions":{"errorDetail":"secret-host","errors":[{"code":"CONNECTOR-1001-500","message":"copy failed"},{"code":2200,"message":"nested"}]}}},
		"activities":[{"statusSummary":{"errors":[{"code":"MAPPER-3700-400"},{}]}}]`))
	d, err := event.Decode([]byte(payload))
	if err != nil || len(d.Items) != 1 {
		t.Fatalf("Decode: %v, %d items", err, len(d.Items))
	}
	want := &event.Request{
		RunID: runA, FlowID: "flow", OrgID: org, Sandbox: "prod", Source: event.FromAdobe,
		Origin: event.Origin{
			EventID: "e1", FlowName: "hourly", CreatedClient: "exc_app", FailedAt: time.UnixMilli(1795413500123).UTC(), CreatedAt: time.UnixMilli(1795413000456).UTC(),
			Errors: []event.RunError{{Code: "CONNECTOR-1001-500", Message: "copy failed"}, {Code: "2200", Message: "nested"}, {Code: "MAPPER-3700-400"}},
		},
	}
	if diff := cmp.Diff(want, d.Items[0].Request); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestEventID(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	for payload, want := range map[string]string{
		run:                                    "",
		adobeEvent(run):                        "e1",
		adobeEvent(quote(run)):                 "e1",
		`{"eventid":"e2","event":` + run + `}`: "e2",
		`{"event_id":"old","eventid":"e3","event":` + run + `}`: "e3",
		cloudEvent(run):              "c",
		eventBridge(adobeEvent(run)): "e1",
		eventBridge(run):             "", // EventBridge's own id is not Adobe's
	} {
		if got := only(t, []byte(payload)).EventID; got != want {
			t.Errorf("event id %q of %.80s…, want %q", got, payload, want)
		}
	}
}

// TestSkipNames checks that what an event names is told where it is passed over.
func TestSkipNames(t *testing.T) {
	t.Parallel()
	const names = `"flowId":"flow","imsOrgId":"` + org + `","sandboxName":"prod"`
	for payload, want := range map[string]event.Skip{
		`{"id":"r","metrics":{"statusSummary":{"status":"success"}},` + names + `}`: {
			Reason: event.RunSucceeded, RunID: "r", FlowID: "flow", OrgID: org, Sandbox: "prod",
		},
		`{"id":"alert","name":"sources_flow_run_delay_150","flowRunId":"r",` + names + `}`: {
			Reason: event.RunDelayedAlert, RunID: "r", FlowID: "flow", OrgID: org, Sandbox: "prod",
		},
		`{"id":"alert","status":"FIRING","eventCode":"source_flow_run_error",` + names + `}`: {
			Reason: event.ErrorRateAlert, FlowID: "flow", OrgID: org, Sandbox: "prod",
		},
	} {
		d, err := event.Decode([]byte(payload))
		if err != nil || len(d.Items) != 1 || d.Items[0].Skip == nil {
			t.Fatalf("%s: %+v, %v", payload, d, err)
		}
		got := *d.Items[0].Skip
		got.Detail = ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", payload, diff)
		}
	}
}

func TestFailedAt(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1795413600000).UTC()
	for updated, want := range map[string]time.Time{
		`1795413600000`: at, `"1795413600000"`: at, `"2026-11-23T06:00:00Z"`: at, `"2026-11-23T07:00:00+01:00"`: at,
		`null`: {}, `"soon"`: {}, `-5`: {}, `1e300`: {}, `{}`: {}, `"9999-12-31T23:59:59-01:00"`: {},
	} {
		d, err := event.Decode([]byte(failed(runA, `,"updatedAt":`+updated)))
		if err != nil || d.Items[0].Request == nil {
			t.Errorf("%s: %v", updated, err)
		} else if got := d.Items[0].Request.FailedAt; !got.Equal(want) {
			t.Errorf("%s: failed at %s, want %s", updated, got, want)
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 50 {
		list = append(list, `{"code":`+quote(strings.Repeat("ü", 300+i))+`,"message":`+quote(strings.Repeat("é", 1000+i)+"x")+`}`)
		list = append(list, `{"message":"`+strings.Repeat("x", i+1)+`"}`)
	}
	d, err := event.Decode([]byte(failed(runA, `,"metrics":{"statusSummary":{"status":"failed","errors":[`+strings.Join(list, ",")+`]}}`)))
	if err != nil {
		t.Fatal(err)
	}
	errs := d.Items[0].Request.Errors
	if len(errs) != event.MaxErrors {
		t.Errorf("%d errors are kept, want %d", len(errs), event.MaxErrors)
	}
	for _, e := range errs {
		if len(e.Code) > event.MaxID || len(e.Message) > 500 || strings.ContainsRune(e.Code+e.Message, '\uFFFD') {
			t.Errorf("error is not cut well: %d and %d bytes", len(e.Code), len(e.Message))
		}
	}
}

func TestRunIDs(t *testing.T) {
	t.Parallel()
	for id, valid := range map[string]bool{
		runA: true, "a": true, "run:1@x": true, "é": true, strings.Repeat("x", event.MaxID): true,
		"": false, " ": false, "a b": false, "a\n": false, "a\x00": false, "\u00a0": false, "\u200b": false, "\u2028": false,
		"a/b": false, `a\b`: false, ".": false, "..": false, "../runs": false, "\uFFFD": false, "a\xff": false,
		strings.Repeat("x", event.MaxID+1): false,
	} {
		if err := event.ValidRunID(id); (err == nil) != valid {
			t.Errorf("ValidRunID(%.40q) = %v, want valid %t", id, err, valid)
		}
		want := []string{"retry " + id}
		if !valid {
			want = []string{"error invalid_run_id"}
		}
		if got := decoded(t, `{"runId":`+quote(id)+`}`); !slices.Equal(got, want) {
			t.Errorf("a request for %.40q: %.80q", id, got)
		}
	}
}

// TestMessages checks that messages name what is wrong, stay short and are the
// same each time.
func TestMessages(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 100_000)
	for payload, want := range map[string]string{
		`{"runid":"a"}`: `did you mean "runId"?`,
		`{"run_id":"a","request":[],"sweeps":{}}`:   `did you mean "requests"?`,
		`{"runId":"a","sand-box":"x"}`:              `did you mean "sandbox"?`,
		`{"runId":"a","color":"x"}`:                 `unknown field "color" (known: runId,`,
		`{"runId":"a","` + long + `":1}`:            `unknown field "kkk`,
		`{"runId":"` + long + `"}`:                  `100000 bytes`,
		`{"runId":"` + long[:200] + ` "}`:           `white space`,
		`{"runId":{"` + long + `":1}}`:              `field "runId" is`,
		`{"runId":"a","` + long + `":1,"runId":2}`:  `stands twice`,
		`{"` + long + `":1,"b":2}`:                  `its fields are "b", "kkk`,
		`{"b":1,"a":1,"c":1}`:                       `its fields are "a", "b", "c"`,
		`{}`:                                        `send {"sweep":{}}`,
		adobeEvent(`{}`):                            `its fields are none`,
		long:                                        `begins with "kkk`,
		quote(long):                                 `begins with "kkk`,
		strings.Repeat("\x00", 256<<10):             `begins with`,
		`{"sweep":{"since":"` + long + `"}}`:        `field "since" is "kkk`,
		`{"sweep":"` + long + `"}`:                  `field "sweep" is "` + long[:39] + `…, want`,
		failed(strings.Repeat("x", 100_000), ""):    `100000 bytes`,
		failed(runA, `,"flowId":"`+long+`"`):        `flowId`,
		failed(long, `,"imsOrgId":"`+long+`"`):      `run id`,
		failed(long+" ", `,"imsOrgId":"`+long+`"`):  `run id`,
		failed("a b", ""):                           `"a b"`,
		`{"Records":[{"body":"` + long + `"}]}`:     `begins with "kkk`,
		`{"runId":"a","runId":"` + long + `"}`:      `field "runId" stands twice`,
		`{"runId":"a","origin":{"` + long + `":1}}`: `in "origin": unknown field "kkk`,
		`{"runId":"a","origin":{"attempt":1}}`:      `did you mean "attempts"?`,
		`{"runId":"a","origin":{"attempts":"1"}}`:   `field "origin"`,
		`{"requests":null}`:                         `field "requests" is null, want a list of requests`,
		`{"runId":12345}`:                           `field "runId" is 12345, want a string`,
		`{"runId":"a","dryRun":"true"}`:             `field "dryRun" is "true", want true or false`,
		"{\"runId\":\"a\",\"reason\":[ \"x\",\n1]}": `field "reason" is ["x",1], want a string`,
		"{\"runId\":[\"\xff\u0085\u202e\"]}":        "field \"runId\" is [\"\uFFFD\uFFFD\uFFFD\"], want a string",
		`{"requests":[5]}`:                          `the request is 5, want a JSON object`,
		failed(runA, `,"sandboxName":7`):            `is 7, want a string`,
		`5`:                                         `the payload is 5, want a JSON object`,
	} {
		var first *event.Error
		times := 20 // an order of map keys would show
		if len(payload) > 10_000 {
			times = 2
		}
		for i := range times {
			d, err := event.Decode([]byte(payload))
			var got *event.Error
			switch {
			case err != nil:
				got = fault(t, err)
			case len(d.Items) == 1 && d.Items[0].Err != nil:
				got = d.Items[0].Err
			default:
				t.Fatalf("%.60q is accepted", payload)
			}
			if i == 0 {
				first = got
			}
			if *got != *first {
				t.Fatalf("%.60q: first %+v, then %+v", payload, first, got)
			}
		}
		if !strings.Contains(first.Message, want) {
			t.Errorf("%.60q: message %.300q, want %q in it", payload, first.Message, want)
		}
		if len(first.Message) > 700 || len(first.RunID)+len(first.FlowID)+len(first.OrgID) > 3*event.MaxID {
			t.Errorf("%.60q: the error has %d bytes", payload, len(first.Message))
		}
	}
}

func TestSkipIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	for _, payload := range []string{
		strings.Replace(failed(long, `,"flowId":"`+long+`","imsOrgId":"`+long+`","sandboxName":"`+long+`"`), `"failed"`, `"success"`, 1),
		`{"name":"sources_flow_run_delay","flowRunId":"` + long + `","flowId":"` + long + `"}`,
		sns(`{"status":"FIRING","flowId":"` + long + `","name":"sources_` + long + `","sandboxName":"` + long + `"}`),
	} {
		d, err := event.Decode([]byte(payload))
		if err != nil || d.Items[0].Skip == nil {
			t.Fatalf("%.60q: %v", payload, err)
		}
		if s := d.Items[0].Skip; len(s.RunID+s.FlowID+s.OrgID+s.Sandbox+s.Detail) > 4*event.MaxID+300 {
			t.Errorf("%.60q: the skip is not bounded", payload)
		}
	}
}

// TestRaw checks that what can't be read is kept such that it reads to the same
// fault, alone.
func TestRaw(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		`{"requests":[` + request + `,{},5,null,[],"x",` + quote(request) + `,{"sweep":{}},{"runId":"","x":1},` + failed(runA, "") + `]}`,
		`[` + request + `,1,null,"x",{"a":1},[],{"runid":"a"},{"sweep":{"x":1}}]`,
		sqs(request, "x", "", `{"runId":1}`, "\x00\x7f", failed("", "")),
		pipeline(failed("", ""), failed(runA, `,"imsOrgId":"o"`), failed("a/b", "")),
		eventBridge(`["x",1,` + failed("", "") + `,` + failed(runA, "") + `]`),
		`[` + request + `,{"pause":{}},{"resume":{}}]`,
		`{"specversion":"1.0","imsorgid":"` + org + `","data":[` + request + `,{"runId":5},{"pause":{}}]}`,
	} {
		d, err := event.Decode([]byte(payload))
		if err != nil {
			t.Fatalf("%.60q: %v", payload, err)
		}
		faults := 0
		for i, item := range d.Items {
			if item.Err == nil {
				continue
			}
			faults++
			again, err := event.Decode(item.Raw)
			var got *event.Error
			switch {
			case err != nil:
				got = fault(t, err)
			case len(again.Items) == 1:
				got = again.Items[0].Err
			}
			if diff := cmp.Diff(item.Err, got); diff != "" {
				t.Errorf("%.60q: item %d, again from %s: -first +again\n%s", payload, i, item.Raw, diff)
			}
		}
		if faults == 0 {
			t.Errorf("%.60q: no faults", payload)
		}
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	d, err := event.Decode([]byte(`{"sweep":{"since":"24h","sandbox":"prod","flowId":"f","limit":7,"dryRun":true}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &event.Sweep{Since: "24h", Sandboxes: []string{"prod"}, FlowIDs: []string{"f"}, Limit: 7, DryRun: true}
	if diff := cmp.Diff(want, d.Sweep); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestSQSRecords(t *testing.T) {
	t.Parallel()
	const good = `{"messageId":"m","eventSource":"aws:sqs","body":"b","attributes":{"ApproximateReceiveCount":"3"}}`
	for name, test := range map[string]struct {
		payload string
		records int
		batch   bool
		fails   bool
	}{
		"one":               {`{"Records":[` + good + `]}`, 1, true, false},
		"two":               {`{"Records":[` + good + `,` + good + `]}`, 2, true, false},
		"empty":             {`{"Records":[]}`, 0, true, false},
		"empty, a request":  {`{"runId":"a","Records":[]}`, 0, false, false},
		"case not folded":   {`{"records":[]}`, 0, false, false},
		"other case beside": {`{"Records":[` + good + `],"records":[]}`, 1, true, false},
		"null":              {`{"Records":null}`, 0, false, false},
		"no list":           {`{"Records":"x"}`, 0, false, false},
		"no records":        {request, 0, false, false},
		"no JSON":           {`x`, 0, false, false},
		"SNS":               {snsRecord(request), 0, false, false},
		"no record":         {`{"Records":[null]}`, 0, false, false},
		"other source":      {`{"Records":[` + good + `,{"eventSource":"aws:s3"}]}`, 0, true, true},
		"no message id":     {`{"Records":[` + good + `,{"eventSource":"aws:sqs","body":"b"}]}`, 0, true, true},
		"id is a number":    {`{"Records":[{"messageId":5,"eventSource":"aws:sqs","body":"b"}]}`, 0, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records, batch, err := event.SQSRecords([]byte(test.payload))
			if len(records) != test.records || batch != test.batch || (err != nil) != test.fails {
				t.Errorf("%d records, batch %t, error %v", len(records), batch, err)
			}
			for _, r := range records {
				if r.ReceiveCount() != 3 || r.Body != "b" || r.MessageID != "m" {
					t.Errorf("record %+v", r)
				}
			}
		})
	}
	if n := (event.SQSRecord{}).ReceiveCount(); n != 0 {
		t.Errorf("receive count %d without attributes", n)
	}
}

// TestExamples holds the files of events/ against events/outcomes.json.
func TestExamples(t *testing.T) {
	t.Parallel()
	type outcome struct {
		RunID   string `json:"runId,omitempty"`
		Outcome string `json:"outcome"`
		Reason  string `json:"reason,omitempty"`
	}
	raw, err := os.ReadFile("../../events/outcomes.json")
	if err != nil {
		t.Fatal(err)
	}
	var outcomes map[string][]outcome
	if err := json.Unmarshal(raw, &outcomes); err != nil {
		t.Fatal(err)
	}
	of := func(payload []byte) []outcome {
		d, err := event.Decode(payload)
		if err != nil {
			return []outcome{{Outcome: "dead_lettered", Reason: string(fault(t, err).Reason)}}
		}
		if d.Sweep != nil || d.PauseCommand != nil {
			return []outcome{} // what comes of it is no part of the file
		}
		var list []outcome
		for _, item := range d.Items {
			switch {
			case item.Skip != nil:
				list = append(list, outcome{item.Skip.RunID, "skipped", string(item.Skip.Reason)})
			case item.Err != nil:
				list = append(list, outcome{item.Err.RunID, "dead_lettered", string(item.Err.Reason)})
			case item.Request.DryRun:
				list = append(list, outcome{item.Request.RunID, "skipped", "dry_run"})
			default:
				list = append(list, outcome{item.Request.RunID, "retriggered", ""})
			}
		}
		return list
	}
	files := exampleFiles(t)
	for name := range outcomes {
		if files[name] == nil {
			t.Errorf("outcomes.json names %s, which is not there", name)
		}
	}
	seen := map[string]string{}
	for name, payload := range files {
		want, ok := outcomes[name]
		if !ok {
			t.Errorf("outcomes.json does not name %s", name)
			continue
		}
		records, batch, err := event.SQSRecords(payload)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := []outcome{}
		if batch {
			for _, record := range records {
				got = append(got, of([]byte(record.Body))...)
			}
		} else {
			got = of(payload)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -outcomes.json +Decode\n%s", name, diff)
		}
		for _, o := range want {
			if o.Outcome == "retriggered" && seen[o.RunID] != "" {
				t.Errorf("%s and %s name the same run", name, seen[o.RunID])
			}
			seen[o.RunID] = name
		}
	}
}
