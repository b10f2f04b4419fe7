package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

const workloadID = "spiffe://example.org/web"

// an agent of grpc-go, which SPIRE's is one of, with one identity. Its JWT bundle has keys without use, as SPIRE's.
type agent struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	key  *ecdsa.PrivateKey
	root *x509.Certificate

	mu      sync.Mutex
	answer  *workload.X509SVIDResponse
	serial  string
	denied  bool
	changed chan struct{}
}

// serveAgent is asked {"do":"rotate"}, {"do":"deny"} and {"do":"admit"}, and answers with the serial of its SVID.
func serveAgent(path string) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	own := &agent{key: key, changed: make(chan struct{})}
	if own.root, err = own.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, URIs: uris("spiffe://example.org")}, key); err != nil {
		return err
	}
	if err := own.rotate(); err != nil {
		return err
	}
	server := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(server, own)
	go func() { _ = server.Serve(listener) }()
	say(map[string]string{"listening": path})
	return obey(func(ask asked) any {
		switch ask.Do {
		case "rotate":
			if err := own.rotate(); err != nil {
				return told(err)
			}
		default:
			own.change(func() { own.denied = ask.Do == "deny" })
		}
		return own.serial
	})
}

func uris(text string) []*url.URL {
	parsed, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return []*url.URL{parsed}
}

// sign makes a certificate for key, signed by the root, or by itself while there is none.
func (a *agent) sign(template *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.Subject = pkix.Name{Organization: []string{"interop"}}
	template.NotBefore = time.Now().Add(-time.Minute)
	template.NotAfter = time.Now().Add(time.Hour)
	parent := a.root
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (a *agent) rotate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf, err := a.sign(&x509.Certificate{BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		URIs: uris(workloadID)}, key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	a.change(func() {
		a.serial = leaf.SerialNumber.Text(16)
		a.answer = &workload.X509SVIDResponse{
			Svids: []*workload.X509SVID{{SpiffeId: workloadID, X509Svid: leaf.Raw, X509SvidKey: pkcs8,
				Bundle: a.root.Raw, Hint: "only"}},
			FederatedBundles: map[string][]byte{"spiffe://partner.test": a.root.Raw},
		}
	})
	return nil
}

func (a *agent) change(how func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	how()
	close(a.changed)
	a.changed = make(chan struct{})
}

// follow sends what is so now, and again at each change.
func (a *agent) follow(ctx context.Context, send func(*workload.X509SVIDResponse) error) error {
	for {
		a.mu.Lock()
		answer, denied, changed := a.answer, a.denied, a.changed
		a.mu.Unlock()
		if err := admit(ctx, denied); err != nil {
			return err
		}
		if err := send(answer); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func admit(ctx context.Context, denied bool) error {
	sent, _ := metadata.FromIncomingContext(ctx)
	if header := sent.Get("workload.spiffe.io"); len(header) != 1 || header[0] != "true" {
		return status.Error(codes.InvalidArgument, "security header missing from request")
	}
	if denied {
		return status.Error(codes.PermissionDenied, "no identity issued")
	}
	return nil
}

func (a *agent) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	return a.follow(stream.Context(), stream.Send)
}

func (a *agent) FetchX509Bundles(_ *workload.X509BundlesRequest, stream workload.SpiffeWorkloadAPI_FetchX509BundlesServer) error {
	return a.follow(stream.Context(), func(*workload.X509SVIDResponse) error {
		return stream.Send(&workload.X509BundlesResponse{Bundles: map[string][]byte{"spiffe://example.org": a.root.Raw}})
	})
}

func (a *agent) FetchJWTBundles(_ *workload.JWTBundlesRequest, stream workload.SpiffeWorkloadAPI_FetchJWTBundlesServer) error {
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: a.key.Public(), KeyID: "the-key"}}})
	if err != nil {
		return err
	}
	return a.follow(stream.Context(), func(*workload.X509SVIDResponse) error {
		return stream.Send(&workload.JWTBundlesResponse{Bundles: map[string][]byte{"spiffe://example.org": keys}})
	})
}

func (a *agent) FetchJWTSVID(ctx context.Context, request *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if err := admit(ctx, a.denied); err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256,
		Key: jose.JSONWebKey{Key: a.key, KeyID: "the-key"}}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{Subject: workloadID, Audience: request.Audience,
		Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute)), IssuedAt: jwt.NewNumericDate(time.Now())}).Serialize()
	if err != nil {
		return nil, err
	}
	return &workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{{SpiffeId: workloadID, Svid: token}}}, nil
}

func (a *agent) ValidateJWTSVID(ctx context.Context, request *workload.ValidateJWTSVIDRequest) (*workload.ValidateJWTSVIDResponse, error) {
	if err := admit(ctx, a.denied); err != nil {
		return nil, err
	}
	token, err := jwt.ParseSigned(request.Svid, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	claims := map[string]any{}
	if err := token.Claims(a.key.Public(), &claims); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	said, err := structpb.NewStruct(claims)
	if err != nil {
		return nil, err
	}
	return &workload.ValidateJWTSVIDResponse{SpiffeId: workloadID, Claims: said}, nil
}
