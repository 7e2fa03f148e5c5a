package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Adobe says where Adobe is, and what is looked at there.
type Adobe struct {
	// FlowServiceURL and IMSURL are base URLs; empty for Adobe's own.
	FlowServiceURL, IMSURL string
	// Sandboxes are looked at beside the credential's own one.
	Sandboxes []string
	// DefaultSandbox is looked at where neither names one.
	DefaultSandbox string
	// UserAgent names this command to Adobe.
	UserAgent string
}

// File is a secret in a file on this machine, such as secret.json, before it is put into
// Secrets Manager. Its name is the path.
type File string

// maxSecret is the greatest value of a secret in bytes.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
const maxSecret = 65536

// GetSecretValue reads the file in place of a secret. It need not be a regular one: a person
// who keeps the credential in a password manager names a pipe.
func (f File) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxSecret:
		return nil, fmt.Errorf("%s has more than the %d bytes that a secret may have", f, maxSecret)
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: new(string(text))}, nil
}

// Credentials looks at secrets: whether each is a credential, whether IMS gives a token for
// it, and whether the runs of each sandbox can be listed. Nothing of a secret's value gets
// into the checks.
func Credentials(ctx context.Context, secrets credentials.SecretsManager, ids []string, adobe Adobe) []Check {
	options := []flowclient.Option{
		flowclient.WithBaseURL(cmp.Or(adobe.FlowServiceURL, flowclient.DefaultBaseURL)), flowclient.WithIMSURL(cmp.Or(adobe.IMSURL, flowclient.DefaultIMSURL)),
		flowclient.WithUserAgent(adobe.UserAgent),
	}
	var checks []Check
	for _, id := range ids {
		store := credentials.NewStore(secrets, []string{id}, func(orgID string, c flowclient.Credentials) (*flowclient.Client, error) {
			tokens, err := flowclient.NewIMS(c, options...)
			if err != nil {
				return nil, err
			}
			return flowclient.New(orgID, c.ClientID, tokens, options...)
		}, time.Hour, time.Now)
		account, err := store.ForOrg(ctx, "")
		if err != nil {
			checks = append(checks, secretFault(secrets, id, err))
			continue
		}
		checks = append(checks, good("secret "+id, fmt.Sprintf("it is the credential %s of org %s", account.ClientID, account.OrgID)))
		checks = append(checks, accountChecks(ctx, account, adobe)...)
	}
	return checks
}

// secretFault says what is wrong with a secret.
func secretFault(secrets credentials.SecretsManager, id string, err error) Check {
	fault, ok := errors.AsType[*credentials.Error](err)
	if ok && fault.Kind == credentials.Unavailable {
		fix := "Check its name, and whether you may read it"
		if _, isFile := secrets.(File); !isFile {
			fix += " (secretsmanager:GetSecretValue)"
		}
		return unknown("secret "+id, err.Error(), fix+".")
	}
	return finding("secret "+id, err.Error(), "Put the credential into it as docs/deploy.md shows: client_id, client_secret, org_id and sandbox.")
}

// accountChecks are what can be asked of Adobe with one credential.
func accountChecks(ctx context.Context, account *credentials.Account, adobe Adobe) []Check {
	subject := "token of " + account.OrgID
	if err := account.Client.Authorize(ctx); err != nil {
		return []Check{refused(subject, err)}
	}
	checks := []Check{good(subject, "IMS accepts the credential")}
	sandboxes := slices.Clone(adobe.Sandboxes)
	if own := cmp.Or(account.Sandbox, adobe.DefaultSandbox); own != "" && !slices.Contains(sandboxes, own) {
		sandboxes = append([]string{own}, sandboxes...)
	}
	if len(sandboxes) == 0 {
		return append(checks, finding("sandboxes of "+account.OrgID, "neither the secret nor SWEEP_SANDBOXES or DEFAULT_SANDBOX names one", "Put \"sandbox\" into the secret: requests whose event names none, and sweeps, need it."))
	}
	for _, sandbox := range sandboxes {
		checks = append(checks, sandboxCheck(ctx, account, sandbox))
	}
	return checks
}

// sandboxCheck lists one page of a sandbox's runs.
func sandboxCheck(ctx context.Context, account *credentials.Account, sandbox string) Check {
	subject := fmt.Sprintf("sandbox %s of %s", sandbox, account.OrgID)
	for page, err := range account.Client.RunPages(ctx, sandbox, flowclient.RunQuery{Limit: 1}) {
		if err != nil {
			return refused(subject, err)
		}
		if len(page.Runs) == 0 {
			return good(subject, "its runs can be listed; it has none")
		}
		break
	}
	return good(subject, "its runs can be listed; whether they may be re-triggered only a re-trigger shows")
}

// refused says what Adobe's error means for a check.
func refused(subject string, err error) Check {
	fault, ok := errors.AsType[*flowclient.Error](err)
	if !ok {
		return unknown(subject, err.Error(), "Try again.")
	}
	fix := fault.NextStep()
	switch {
	case fault.Status == 0 && fault.Kind == flowclient.KindTransient:
		return unknown(subject, "Adobe can't be reached: "+err.Error(), "Check this machine's way to the internet, and its proxy.")
	case fault.Kind == flowclient.KindTransient, fault.Kind == flowclient.KindThrottled:
		return unknown(subject, err.Error(), cmp.Or(fix, "Adobe can't answer now: try again in some minutes."))
	}
	return finding(subject, strings.TrimSpace(err.Error()), cmp.Or(fix, "Look the code up in docs/errors.md."))
}
