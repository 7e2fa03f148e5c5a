//go:build cloud

package cloud

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/emulator"
)

// The folders, from the one of this package.
const (
	root     = "../.."
	template = root + "/template.yaml"
)

// codeBucket is where the code is uploaded to.
const codeBucket = "code"

// samArchitectures are template.yaml's words for Go's.
func samArchitectures() map[string]string {
	return map[string]string{"arm64": "arm64", "amd64": "x86_64"}
}

// suite is what TestMain prepares.
type suite struct {
	dir   string // of this run
	tools string // where emulators/install installs
	// moto is its URL; table the one by which its DynamoDB is to be called.
	moto, table string
	// transformed is the template as sam deploy has it made, for this machine's architecture,
	// with the place of the code in moto.
	transformed templateFile
	zip         []byte // the code that was uploaded
	binary      string // the bootstrap in it
}

var prepared suite //nolint:gochecknoglobals // TestMain has no other way to hand something on

func TestMain(m *testing.M) {
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration/cloud:", err)
		code = 1
	}
	os.Exit(code)
}

func runSuite(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	if prepared.dir, err = os.MkdirTemp("", "cloud-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(prepared.dir) //nolint:errcheck // the system cleans up what is left
	if prepared.tools, err = filepath.Abs(root + "/.tools"); err != nil {
		return 0, err
	}
	for _, architecture := range samArchitectures() {
		if err := command(ctx, root+"/emulators/sam", "build", "--template", template, "--build-dir", built(architecture), "--parameter-overrides", "Architecture="+architecture); err != nil {
			return 0, err
		}
	}
	address, stopMoto, err := emulator.StartMoto(ctx, prepared.tools, prepared.dir)
	if err != nil {
		return 0, err
	}
	defer stopMoto()
	prepared.moto = "http://" + address
	table, stopProxy, err := emulator.OneAtATime(address)
	if err != nil {
		return 0, err
	}
	defer stopProxy()
	prepared.table = table
	if err := upload(ctx); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// built is the folder in which sam build puts the function for an architecture.
func built(architecture string) string { return filepath.Join(prepared.dir, "built", architecture) }

// upload does what sam deploy does before it asks CloudFormation: it uploads the code, names
// its place in the template, and has the template transformed.
func upload(ctx context.Context) error {
	if _, err := call(ctx, http.MethodPut, "s3", "/"+codeBucket); err != nil {
		return err
	}
	architecture := samArchitectures()[runtime.GOARCH]
	packaged := filepath.Join(prepared.dir, "packaged.yaml")
	if err := command(ctx, root+"/emulators/sam", "package", "--no-progressbar", "--template-file", filepath.Join(built(architecture), "template.yaml"),
		"--s3-bucket", codeBucket, "--output-template-file", packaged); err != nil {
		return err
	}
	text, err := output(ctx, prepared.tools+"/sam/bin/python", root+"/emulators/transform", packaged)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &prepared.transformed); err != nil {
		return fmt.Errorf("the transformed template: %w", err)
	}
	var code struct{ S3Bucket, S3Key string }
	if err := convert(prepared.transformed.Resources["RetriggerFunction"].Properties["Code"], &code); err != nil {
		return err
	}
	if prepared.zip, err = call(ctx, http.MethodGet, "s3", "/"+code.S3Bucket+"/"+code.S3Key); err != nil {
		return err
	}
	prepared.binary = filepath.Join(prepared.dir, "bootstrap")
	return unzip(prepared.zip, "bootstrap", prepared.binary)
}

// unzip writes a file of the archive as Lambda unpacks it, with the permissions that it has
// there.
func unzip(archive []byte, name, target string) error {
	reader, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return err
	}
	place := slices.IndexFunc(reader.File, func(f *zip.File) bool { return f.Name == name })
	if place < 0 {
		return errors.New("the uploaded archive has no " + name)
	}
	file, err := reader.File[place].Open()
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	return os.WriteFile(target, text, reader.File[place].Mode())
}

// command runs a program, and tells what it wrote if it fails.
func command(ctx context.Context, name string, args ...string) error {
	_, err := output(ctx, name, args...)
	return err
}

func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+prepared.moto)
	if prepared.moto == "" {
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL=http://127.0.0.1:1") // building asks nobody
	}
	var all bytes.Buffer
	cmd.Stderr = &all
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, text, all.Bytes())
	}
	return text, nil
}

// call calls moto without an SDK: moto does not check the signature, but takes the service
// from it.
func call(ctx context.Context, method, service, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, prepared.moto+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/"+region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=none")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s of moto: %s\n%s", method, path, answer.Status, text)
	}
	return text, err
}
