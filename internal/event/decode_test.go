package event_test

import (
	"encoding/base64"
	"strings"
	"testing"

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
		"pause, unknown field":   {`{"pause":{"sandboxes":"prod"}}`, []string{"error unknown_field"}},
		"pause, field twice":     {`{"pause":{"orgId":"A","orgId":"B"}}`, []string{"error repeated_field"}},
		"pause, true":            {`{"pause":true}`, []string{"error wrong_type"}},
		"pause, bad dataflow":    {`{"pause":{"flowId":"a b"}}`, []string{"error invalid_field"}},
		"pause, empty dataflow":  {`{"pause":{"orgId":"A@AdobeOrg","flowId":""}}`, []string{"error invalid_field"}},
		"pause, empty name":      {`{"pause":{"flowName":""}}`, []string{"error invalid_field"}},
		"resume, empty org":      {`{"resume":{"orgId":""}}`, []string{"error invalid_field"}},
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

func TestDecodeTakesMaxItems(t *testing.T) {
	t.Parallel()
	if got := decoded(t, `[`+strings.Repeat(request+",", event.MaxItems-1)+request+`]`); len(got) != event.MaxItems {
		t.Errorf("got %d items, want %d: first %s", len(got), event.MaxItems, got[0])
	}
}

func TestSweepRequestIsDecoded(t *testing.T) {
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
