package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/url"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// newCSR is for a new key, as SPIRE's agent makes it: for itself without a name.
func newCSR(id string) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	subject := pkix.Name{Country: []string{"US"}, Organization: []string{"SPIRE"}}
	template := &x509.CertificateRequest{Subject: subject, SignatureAlgorithm: x509.ECDSAWithSHA256}
	if id != "" {
		uri, err := url.Parse(id)
		if err != nil {
			return nil, nil, err
		}
		template.URIs = []*url.URL{uri}
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	return key, csr, err
}

func parsed(given answeredSvid, key *ecdsa.PrivateKey) (*x509svid.SVID, error) {
	chain := []byte{}
	for _, each := range given.CertChain {
		chain = append(chain, each...)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	made, err := x509svid.ParseRaw(chain, pkcs8)
	if err != nil {
		return nil, fmt.Errorf("an SVID go-spiffe does not take: %w", err)
	}
	made.Hint = given.Hint
	return made, nil
}
