// Reads jobs (one JSON object a line). A job with a request is answered with what Go's crypto/x509 sees in it; one with a
// kind of key, with a request that Go makes of a new key, in the three forms that SPIRE's agents, servers and CLI use.
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
)

type job struct {
	CSR  []byte   `json:"csr"`
	Key  string   `json:"key"`
	URIs []string `json:"uris"`
	DNS  []string `json:"dns"`
}

type answer struct {
	Fault   string   `json:"fault"`
	Subject []byte   `json:"subject"`
	SPKI    []byte   `json:"spki"`
	URIs    []string `json:"uris"`
	DNS     []string `json:"dns"`
	CSR     []byte   `json:"csr"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := out.Encode(do(lines.Bytes())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func do(line []byte) answer {
	var asked job
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Fault: err.Error()}
	}
	der := asked.CSR
	if asked.Key != "" {
		made, err := write(asked)
		if err != nil {
			return answer{Fault: err.Error()}
		}
		der = made
	}
	return read(der)
}

func read(der []byte) answer {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return answer{Fault: err.Error()}
	}
	if err := csr.CheckSignature(); err != nil {
		return answer{Fault: err.Error()}
	}
	seen := answer{
		Subject: csr.RawSubject,
		SPKI:    csr.RawSubjectPublicKeyInfo,
		URIs:    []string{},
		DNS:     append([]string{}, csr.DNSNames...),
		CSR:     der,
	}
	for _, uri := range csr.URIs {
		seen.URIs = append(seen.URIs, uri.String())
	}
	return seen
}

func write(asked job) ([]byte, error) {
	signer, err := newKey(asked.Key)
	if err != nil {
		return nil, err
	}
	template := &x509.CertificateRequest{
		Subject:  pkix.Name{Country: []string{"US"}, Organization: []string{"SPIRE"}},
		DNSNames: asked.DNS,
	}
	for _, text := range asked.URIs {
		uri, err := url.Parse(text)
		if err != nil {
			return nil, err
		}
		template.URIs = append(template.URIs, uri)
	}
	return x509.CreateCertificateRequest(rand.Reader, template, signer)
}

func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "ec-p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ec-p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ec-p521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "rsa-2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	default:
		return nil, fmt.Errorf("a key of kind %s", kind)
	}
}
