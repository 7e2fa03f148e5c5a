package world

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// keyBits is the size of the keys of AWS's servers and their authority.
const keyBits = 2048

// authority is what the process under test trusts, besides the authorities that this machine
// trusts: a process on Lambda reads as many.
type authority struct {
	// bundle is the path of the trusted certificates. SSL_CERT_DIR is left alone, so that Go
	// reads all of /etc/ssl/certs besides, where each of them stands once more: on Debian as on
	// Lambda's Amazon Linux 2023 (https://go.dev/issue/79018).
	bundle string
	chain  tls.Certificate
}

// newAuthority makes a root, an authority below it and one certificate for all addresses, and
// writes the trusted certificates to a folder.
func newAuthority(dir string, addresses []net.IP) (*authority, error) {
	root, err := issue(nil, &x509.Certificate{Subject: pkix.Name{CommonName: "Root of the benchmarks"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	if err != nil {
		return nil, err
	}
	middle, err := issue(root, &x509.Certificate{Subject: pkix.Name{CommonName: "Authority of the benchmarks"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	if err != nil {
		return nil, err
	}
	leaf, err := issue(middle, &x509.Certificate{
		Subject: pkix.Name{CommonName: "services"}, IPAddresses: addresses,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return nil, err
	}
	a := &authority{
		bundle: filepath.Join(dir, "trusted.pem"),
		chain:  tls.Certificate{Certificate: [][]byte{leaf.certificate.Raw, middle.certificate.Raw}, PrivateKey: leaf.key},
	}
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.certificate.Raw})
	return a, os.WriteFile(a.bundle, append(machines(), trusted...), 0o600)
}

// machines are the authorities that this machine trusts, where it keeps them in one file.
func machines() []byte {
	for _, path := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if text, err := os.ReadFile(path); err == nil {
			return append(text, '\n')
		}
	}
	return nil
}

// issued is a certificate with its key.
type issued struct {
	certificate *x509.Certificate
	key         *rsa.PrivateKey
}

// issue makes a certificate; one without an issuer is its own.
func issue(by *issued, template *x509.Certificate) (*issued, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	template.BasicConstraintsValid = true
	if by == nil {
		by = &issued{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, &key.PublicKey, by.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	return &issued{certificate, key}, err
}

// env is what makes a process trust the authority: of Go, of boto3 and of requests.
func (a *authority) env() []string {
	return []string{"SSL_CERT_FILE=" + a.bundle, "AWS_CA_BUNDLE=" + a.bundle, "REQUESTS_CA_BUNDLE=" + a.bundle}
}
