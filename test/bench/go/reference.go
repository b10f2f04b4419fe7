package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secret "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
)

// bare answers every name with one self-signed certificate: no attestation, no policy, nothing kept. What it reaches on
// a machine is what grpc-go allows there.
type bare struct {
	secret.UnimplementedSecretDiscoveryServiceServer
	mu      sync.RWMutex
	version string
	chain   []byte
	key     []byte
	next    chan struct{}
}

func (b *bare) renew() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	id := &url.URL{Scheme: "spiffe", Host: "bench.test", Path: "/reference"}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), URIs: []*url.URL{id},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	b.key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	b.version = template.SerialNumber.String()
	if b.next != nil {
		close(b.next)
	}
	b.next = make(chan struct{})
	return nil
}

func inline(value []byte) *core.DataSource {
	return &core.DataSource{Specifier: &core.DataSource_InlineBytes{InlineBytes: value}}
}

// answer gives the resources of a request and the channel that closes when they are out of date.
func (b *bare) answer(names []string) (*discovery.DiscoveryResponse, chan struct{}, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	response := &discovery.DiscoveryResponse{VersionInfo: b.version, TypeUrl: typeURL}
	for _, name := range names {
		value, err := anypb.New(&tls.Secret{Name: name, Type: &tls.Secret_TlsCertificate{
			TlsCertificate: &tls.TlsCertificate{CertificateChain: inline(b.chain), PrivateKey: inline(b.key)}}})
		if err != nil {
			return nil, nil, err
		}
		response.Resources = append(response.Resources, value)
	}
	return response, b.next, nil
}

func (b *bare) FetchSecrets(_ context.Context, request *discovery.DiscoveryRequest) (*discovery.DiscoveryResponse, error) {
	response, _, err := b.answer(request.ResourceNames)
	return response, err
}

func (b *bare) StreamSecrets(stream secret.SecretDiscoveryService_StreamSecretsServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	go func() {
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
		}
	}()
	for nonce := 1; ; nonce++ {
		response, next, err := b.answer(first.ResourceNames)
		if err != nil {
			return err
		}
		response.Nonce = strconv.Itoa(nonce)
		if err := stream.Send(response); err != nil {
			return err
		}
		select {
		case <-next:
		case <-stream.Context().Done():
			return nil
		}
	}
}

// reference serves until stdin ends; each line on it makes a new certificate, which is pushed to every stream.
func reference(arguments []string) error {
	flags := flag.NewFlagSet("reference", flag.ExitOnError)
	socket := flags.String("socket", "", "Unix socket")
	_ = flags.Parse(arguments)
	b := &bare{}
	if err := b.renew(); err != nil {
		return err
	}
	listener, err := net.Listen("unix", *socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.MaxConcurrentStreams(100_000))
	secret.RegisterSecretDiscoveryServiceServer(server, b)
	w, err := newBareWorkload(b)
	if err != nil {
		return err
	}
	workload.RegisterSpiffeWorkloadAPIServer(server, w)
	go func() { _ = server.Serve(listener) }()
	say(map[string]bool{"ready": true})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := b.renew(); err != nil {
			return err
		}
		say(map[string]bool{"renewed": true})
	}
	server.Stop()
	return nil
}
