// Package awsenv makes the AWS client's configuration from the environment that Lambda gives a
// function: its region, the credentials of its role, and the few settings that people make.
//
// The SDK's own way is the package config. It also knows profiles, files, single sign-on, web
// identities and the metadata of EC2 and ECS, none of which there is on Lambda, with clients of
// four more services. They are 0.4 MB of the zip, and begin in about half a
// millisecond of each cold start. A test compares the result with that of the package config.
package awsenv

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Variables of the environment: the first five are Lambda's
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime),
// the others are for people (https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html).
const (
	region        = "AWS_REGION"
	defaultRegion = "AWS_DEFAULT_REGION"
	accessKey     = "AWS_ACCESS_KEY_ID"
	secretKey     = "AWS_SECRET_ACCESS_KEY" //nolint:gosec // a name, no secret
	sessionToken  = "AWS_SESSION_TOKEN"     //nolint:gosec // a name, no secret

	endpoint        = "AWS_ENDPOINT_URL"
	useFIPS         = "AWS_USE_FIPS_ENDPOINT"
	useDualStack    = "AWS_USE_DUALSTACK_ENDPOINT"
	retryMode       = "AWS_RETRY_MODE"
	maxAttempts     = "AWS_MAX_ATTEMPTS"
	ignoreEndpoints = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
)

// source is how the SDK names credentials of the environment.
const source = "EnvConfigCredentials"

// ErrNoCredentials means that the environment has no credentials: the process is not on Lambda.
var ErrNoCredentials = errors.New(accessKey + " and " + secretKey + " are not set; Lambda sets them, from the function's role") //nolint:gochecknoglobals // a sentinel

// Config returns the configuration that the environment describes. Its credentials are those
// of the environment as it is now: Lambda gives a new process new ones. The error names the
// variable that can't be read.
func Config(getenv func(string) string) (aws.Config, error) {
	var faults []error
	flag := func(name string) (value, set bool) {
		switch text := strings.ToLower(getenv(name)); text {
		case "":
			return false, false
		case "true", "false":
			return text == "true", true
		default:
			faults = append(faults, fmt.Errorf("%s is %q, which is neither true nor false", name, text))
			return false, false
		}
	}
	s := settings{getenv: getenv}
	s.fips, s.fipsSet = flag(useFIPS)
	s.dualStack, s.dualStackSet = flag(useDualStack)
	s.ignore, s.ignoreSet = flag(ignoreEndpoints)
	cfg := aws.Config{
		Region: first(getenv(region), getenv(defaultRegion)), ConfigSources: []any{s},
		DefaultsMode: aws.DefaultsModeLegacy, AccountIDEndpointMode: aws.AccountIDEndpointModePreferred,
		Credentials: credentials{key: getenv(accessKey), secret: getenv(secretKey), token: getenv(sessionToken)},
	}
	if url := getenv(endpoint); url != "" && !s.ignore {
		cfg.BaseEndpoint = aws.String(url)
	}
	if text := getenv(retryMode); text != "" {
		mode, err := aws.ParseRetryMode(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", retryMode, err))
		}
		cfg.RetryMode = mode
	}
	if text := getenv(maxAttempts); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s is %q, which is no number", maxAttempts, text))
		}
		cfg.RetryMaxAttempts = n
	}
	return cfg, errors.Join(faults...)
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// credentials are those of the function's role. They hold as long as the process.
type credentials struct{ key, secret, token string }

// Retrieve implements [aws.CredentialsProvider].
func (c credentials) Retrieve(context.Context) (aws.Credentials, error) {
	if c.key == "" || c.secret == "" {
		return aws.Credentials{}, ErrNoCredentials
	}
	return aws.Credentials{AccessKeyID: c.key, SecretAccessKey: c.secret, SessionToken: c.token, Source: source}, nil
}

// settings are what a client of the SDK asks its configuration's sources for.
type settings struct {
	getenv            func(string) string
	fips, fipsSet     bool
	dualStack         bool
	dualStackSet      bool
	ignore, ignoreSet bool
}

// GetUseFIPSEndpoint tells whether endpoints are those of FIPS 140.
func (s settings) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	if s.fips {
		return aws.FIPSEndpointStateEnabled, true, nil
	}
	return aws.FIPSEndpointStateDisabled, s.fipsSet, nil
}

// GetUseDualStackEndpoint tells whether endpoints are those that IPv6 reaches, too.
func (s settings) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	if s.dualStack {
		return aws.DualStackEndpointStateEnabled, true, nil
	}
	return aws.DualStackEndpointStateDisabled, s.dualStackSet, nil
}

// GetServiceBaseEndpoint returns the endpoint of one service, such as
// AWS_ENDPOINT_URL_DYNAMODB.
func (s settings) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url := s.getenv(endpoint + "_" + strings.ReplaceAll(strings.ToUpper(service), " ", "_"))
	return url, url != "", nil
}

// GetIgnoreConfiguredEndpoints tells whether endpoints of the environment don't count.
func (s settings) GetIgnoreConfiguredEndpoints(context.Context) (ignore, set bool, err error) {
	return s.ignore, s.ignoreSet, nil
}
