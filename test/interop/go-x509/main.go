// Reads certificates and their CA (one JSON object a line) and writes what Go's crypto/x509 sees in each.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type request struct {
	Leaf []byte `json:"leaf"`
	CA   []byte `json:"ca"`
}

type extension struct {
	OID      string `json:"oid"`
	Critical bool   `json:"critical"`
}

type seen struct {
	Fault        string      `json:"fault"`
	Version      int         `json:"version"`
	Serial       string      `json:"serial"`
	Subject      []string    `json:"subject"`
	Issuer       []byte      `json:"issuer"`
	NotBefore    int64       `json:"notBefore"`
	NotAfter     int64       `json:"notAfter"`
	SPKI         []byte      `json:"spki"`
	URIs         []string    `json:"uris"`
	DNS          []string    `json:"dns"`
	OtherNames   int         `json:"otherNames"`
	CA           bool        `json:"ca"`
	PathLen      int         `json:"pathLen"`
	KeyUsage     int         `json:"keyUsage"`
	Purposes     []int       `json:"purposes"`
	OtherPurpose int         `json:"otherPurposes"`
	SKI          string      `json:"subjectKeyId"`
	AKI          string      `json:"authorityKeyId"`
	Extensions   []extension `json:"extensions"`
	Unhandled    int         `json:"unhandled"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := out.Encode(read(lines.Bytes())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func read(line []byte) seen {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return seen{Fault: err.Error()}
	}
	leaf, err := x509.ParseCertificate(asked.Leaf)
	if err != nil {
		return seen{Fault: err.Error()}
	}
	ca, err := x509.ParseCertificate(asked.CA)
	if err != nil {
		return seen{Fault: "ca: " + err.Error()}
	}
	result := facts(leaf)
	if err := verify(leaf, ca); err != nil {
		result.Fault = err.Error()
	}
	return result
}

// verify asks for the whole path validation, in both TLS roles.
func verify(leaf, ca *x509.Certificate) error {
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for _, purpose := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots:       roots,
			CurrentTime: leaf.NotBefore,
			KeyUsages:   []x509.ExtKeyUsage{purpose},
		})
		if err != nil {
			return err
		}
	}
	return leaf.CheckSignatureFrom(ca)
}

func facts(leaf *x509.Certificate) seen {
	result := seen{
		Version:      leaf.Version,
		Serial:       strings.ToUpper(leaf.SerialNumber.Text(16)),
		Issuer:       leaf.RawIssuer,
		NotBefore:    leaf.NotBefore.Unix(),
		NotAfter:     leaf.NotAfter.Unix(),
		SPKI:         leaf.RawSubjectPublicKeyInfo,
		URIs:         []string{},
		DNS:          append([]string{}, leaf.DNSNames...),
		OtherNames:   len(leaf.EmailAddresses) + len(leaf.IPAddresses),
		CA:           leaf.IsCA,
		PathLen:      leaf.MaxPathLen,
		KeyUsage:     int(leaf.KeyUsage),
		OtherPurpose: len(leaf.UnknownExtKeyUsage),
		SKI:          hex.EncodeToString(leaf.SubjectKeyId),
		AKI:          hex.EncodeToString(leaf.AuthorityKeyId),
		Unhandled:    len(leaf.UnhandledCriticalExtensions),
	}
	for _, name := range leaf.Subject.Names {
		result.Subject = append(result.Subject, fmt.Sprintf("%s=%v", name.Type, name.Value))
	}
	for _, uri := range leaf.URIs {
		result.URIs = append(result.URIs, uri.String())
	}
	for _, purpose := range leaf.ExtKeyUsage {
		result.Purposes = append(result.Purposes, int(purpose))
	}
	for _, e := range leaf.Extensions {
		result.Extensions = append(result.Extensions, extension{e.Id.String(), e.Critical})
	}
	return result
}
