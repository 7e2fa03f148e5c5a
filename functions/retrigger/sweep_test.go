package main

const bareSchedule = `{"version":"0","id":"9d1de2a0","detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-23T07:00:00Z","detail":{}}`
