// Package roots spares the first TLS connection of a process the reading of each trusted
// certificate more than once.
//
// Go reads a file with all certificates, and besides it every file of two folders
// (https://go.dev/issue/38869). On Lambda's Amazon Linux 2023 the folders have a file for each
// certificate that the first file has, too (https://go.dev/issue/79018): some ten milliseconds
// of CPU time for nothing, which all that the start fetches would wait for.
package roots

import "os"

// bundle is the file that Go reads on Amazon Linux.
const bundle = "/etc/pki/tls/certs/ca-bundle.crt"

// The variables of the environment that Go reads: https://pkg.go.dev/crypto/x509#SystemCertPool.
const (
	fileVariable   = "SSL_CERT_FILE"
	folderVariable = "SSL_CERT_DIR"
)

// Environment is what a process knows and sets; see [Process].
type Environment struct {
	Lookup func(name string) (string, bool)
	Set    func(name, value string) error
	Stat   func(path string) (os.FileInfo, error)
}

// Process is the environment of this process.
func Process() Environment { return Environment{os.LookupEnv, os.Setenv, os.Stat} }

// OnceOnLambda has Go read the one file alone, if this is Lambda and the file is there. Whoever
// sets SSL_CERT_DIR is listened to, and SSL_CERT_FILE is the file where it is set. Call it
// before the first TLS connection.
//
// An image with a certificate of its own in one of the folders needs SSL_CERT_DIR then, unless
// the file has it as well, as after update-ca-trust.
func OnceOnLambda(e Environment) {
	file := bundle
	if set, ok := e.Lookup(fileVariable); ok && set != "" {
		file = set
	}
	name, _ := e.Lookup("AWS_LAMBDA_FUNCTION_NAME")
	folders, _ := e.Lookup(folderVariable)
	about, err := e.Stat(file)
	if name == "" || folders != "" || err != nil || !about.Mode().IsRegular() || about.Size() == 0 {
		return // Go looks everywhere
	}
	_ = e.Set(folderVariable, os.DevNull) // no folder; without it Go looks everywhere
}
