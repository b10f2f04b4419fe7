package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
)

const subject = "spiffe://bench.test/reference"

// bareWorkload is the same for the Workload API: a token is signed for each audience but the one that is kept, and validated by
// its signature alone.
type bareWorkload struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	*bare
	signing *ecdsa.PrivateKey
	kept    string
}

func newBareWorkload(b *bare) (*bareWorkload, error) {
	signing, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	w := &bareWorkload{bare: b, signing: signing}
	w.kept, err = w.token(audience)
	return w, err
}

func (w *bareWorkload) token(audience string) (string, error) {
	now := time.Now().Unix()
	claims := fmt.Sprintf(`{"sub":%q,"aud":[%q],"exp":%d,"iat":%d}`, subject, audience, now+300, now)
	part := base64.RawURLEncoding.EncodeToString
	signed := part([]byte(`{"alg":"ES256","kid":"reference","typ":"JWT"}`)) + "." + part([]byte(claims))
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, w.signing, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + part(signature), nil
}

func (w *bareWorkload) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	for {
		w.mu.RLock()
		chain, _ := pem.Decode(w.chain)
		key, _ := pem.Decode(w.key)
		next := w.next
		w.mu.RUnlock()
		response := &workload.X509SVIDResponse{Svids: []*workload.X509SVID{
			{SpiffeId: subject, X509Svid: chain.Bytes, X509SvidKey: key.Bytes, Bundle: chain.Bytes}}}
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

func (w *bareWorkload) FetchJWTSVID(_ context.Context, request *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	token := w.kept
	if wanted := request.Audience[0]; wanted != audience {
		made, err := w.token(wanted)
		if err != nil {
			return nil, err
		}
		token = made
	}
	return &workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{{SpiffeId: subject, Svid: token}}}, nil
}

func (w *bareWorkload) ValidateJWTSVID(_ context.Context, request *workload.ValidateJWTSVIDRequest) (*workload.ValidateJWTSVIDResponse, error) {
	end := strings.LastIndexByte(request.Svid, '.')
	if end < 0 {
		return nil, errors.New("no token")
	}
	signature, err := base64.RawURLEncoding.DecodeString(request.Svid[end+1:])
	if err != nil || len(signature) != 64 {
		return nil, errors.New("no signature")
	}
	digest := sha256.Sum256([]byte(request.Svid[:end]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(&w.signing.PublicKey, digest[:], r, s) {
		return nil, errors.New("not valid")
	}
	return &workload.ValidateJWTSVIDResponse{SpiffeId: subject}, nil
}
