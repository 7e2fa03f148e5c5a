package roots_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/roots"
)

func TestFoldersAreLeftOutOnlyOnLambdaBesideAFileWithCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	full, empty, missing := filepath.Join(dir, "full.pem"), filepath.Join(dir, "empty.pem"), filepath.Join(dir, "missing.pem")
	for path, text := range map[string]string{full: "-----BEGIN CERTIFICATE-----", empty: ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		env  map[string]string
		want string
	}{
		"on Lambda":            {map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "f", "SSL_CERT_FILE": full}, os.DevNull},
		"elsewhere":            {map[string]string{"SSL_CERT_FILE": full}, ""},
		"with folders":         {map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "f", "SSL_CERT_FILE": full, "SSL_CERT_DIR": "/mine"}, "/mine"},
		"an empty file":        {map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "f", "SSL_CERT_FILE": empty}, ""},
		"no such file":         {map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "f", "SSL_CERT_FILE": missing}, ""},
		"a folder as the file": {map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "f", "SSL_CERT_FILE": dir}, ""},
	} {
		env := roots.Environment{
			Lookup: func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok },
			Set:    func(name, value string) error { tt.env[name] = value; return nil },
			Stat:   os.Stat,
		}
		if roots.OnceOnLambda(env); tt.env["SSL_CERT_DIR"] != tt.want {
			t.Errorf("%s: SSL_CERT_DIR is %q, want %q", name, tt.env["SSL_CERT_DIR"], tt.want)
		}
	}
}

// TestOnAmazonLinuxTheFileIsThatOfTheSystem where no variable names another.
func TestOnAmazonLinuxTheFileIsThatOfTheSystem(t *testing.T) {
	t.Parallel()
	full := filepath.Join(t.TempDir(), "full.pem")
	if err := os.WriteFile(full, []byte("-----BEGIN CERTIFICATE-----"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked, set := "", ""
	roots.OnceOnLambda(roots.Environment{
		Lookup: func(name string) (string, bool) {
			return map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "f"}[name], true
		},
		Set: func(name, _ string) error { set = name; return nil },
		Stat: func(path string) (os.FileInfo, error) {
			asked = path
			return os.Stat(full)
		},
	})
	if asked != "/etc/pki/tls/certs/ca-bundle.crt" || set != "SSL_CERT_DIR" {
		t.Errorf("asked for %q, set %q", asked, set)
	}
}
