package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	agentService  = "spire.api.server.agent.v1.Agent/"
	bundleService = "spire.api.server.bundle.v1.Bundle/"
	entryService  = "spire.api.server.entry.v1.Entry/"
	svidService   = "spire.api.server.svid.v1.SVID/"
)

// callAsked is a line of stdin.
type callAsked struct {
	Do string `json:"do"`
	// Who calls: local (the admin socket), nobody (no certificate), agent, or before (the agent, by the SVID it renewed).
	As       string          `json:"as"`
	Method   string          `json:"method"`
	Request  json.RawMessage `json:"request"`
	Gzip     bool            `json:"gzip"`
	Token    string          `json:"token"`
	IDs      []string        `json:"ids"`
	Audience []string        `json:"audience"`
}

// node is what SPIRE's agent is towards its server: it knows the server by a bundle, and itself by an SVID.
type node struct {
	wire    *wire
	address string
	domain  spiffeid.TrustDomain
	x509    *x509bundle.Bundle
	jwt     *jwtbundle.Bundle
	svid    *x509svid.SVID
	conns   map[string]*grpc.ClientConn
}

// told is what came of a step; each SVID as go-spiffe sees it under the bundle.
type stepTold struct {
	outcome
	Svids        []svid   `json:"svids"`
	Entries      []string `json:"entries"`
	Rounds       int      `json:"rounds"`
	Reattestable bool     `json:"reattestable"`
}

// spire is asked {"do":"call"}, and as SPIRE's agent does attest, bundle, entries, sign, token and renew.
func spire(ctx context.Context, descriptors, address, admin, bundleFile string) error {
	wire, err := readWire(descriptors)
	if err != nil {
		return err
	}
	domain := spiffeid.RequireTrustDomainFromString("example.org")
	bundle, err := x509bundle.Load(domain, bundleFile)
	if err != nil {
		return err
	}
	own := &node{wire: wire, address: address, domain: domain, x509: bundle, jwt: jwtbundle.New(domain)}
	local, err := grpc.NewClient("unix://"+admin, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	own.conns = map[string]*grpc.ClientConn{"local": local}
	if err := own.dial("nobody", tlsconfig.TLSClientConfig(bundle, own.authorize())); err != nil {
		return err
	}
	return obeyEach(func(line []byte) (any, error) {
		var ask callAsked
		if err := json.Unmarshal(line, &ask); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		return own.step(ctx, ask), nil
	})
}

func (n *node) authorize() tlsconfig.Authorizer {
	return tlsconfig.AuthorizeID(spiffeid.RequireFromPath(n.domain, "/spire/server"))
}

func (n *node) dial(name string, config *tls.Config) error {
	conn, err := grpc.NewClient("passthrough:///"+n.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err == nil {
		n.conns[name] = conn
	}
	return err
}

func (n *node) step(ctx context.Context, ask callAsked) stepTold {
	var done stepTold
	var err error
	switch ask.Do {
	case "call":
		conn, found := n.conns[ask.As]
		if !found {
			return stepTold{outcome: outcome{Code: "no-call", Message: "nobody is " + ask.As}}
		}
		return stepTold{outcome: n.wire.call(ctx, conn, ask)}
	case "attest":
		done, err = n.attest(ctx, ask.Token)
	case "bundle":
		err = n.fetchBundle(ctx)
	case "entries":
		done, err = n.entries(ctx, ask.IDs)
	case "sign":
		done, err = n.sign(ctx, ask.IDs)
	case "token":
		done, err = n.token(ctx, ask.IDs[0], ask.Audience)
	case "renew":
		done, err = n.renew(ctx)
	default:
		err = fmt.Errorf("no step %q", ask.Do)
	}
	done.Code = "OK"
	if err != nil {
		done.outcome = n.wire.failed(err)
	}
	return done
}

type answeredSvid struct {
	CertChain [][]byte `json:"cert_chain"`
	Hint      string   `json:"hint"`
}

// attest joins as SPIRE's agent does: one message, whose CSR names nobody; then it comes with the SVID it was given.
func (n *node) attest(ctx context.Context, token string) (stepTold, error) {
	key, csr, err := newCSR("")
	if err != nil {
		return stepTold{}, err
	}
	call, err := n.wire.stream(ctx, n.conns["nobody"], agentService+"AttestAgent")
	if err != nil {
		return stepTold{}, err
	}
	var answer struct {
		Result struct {
			Svid         answeredSvid `json:"svid"`
			Reattestable bool         `json:"reattestable"`
		} `json:"result"`
	}
	data := map[string]any{"type": "join_token", "payload": []byte(token)}
	params := map[string]any{"data": data, "params": map[string]any{"csr": csr}}
	if err := call.exchange(map[string]any{"params": params}, &answer); err != nil {
		return stepTold{}, err
	}
	// The server ends the call once it has given the SVID: SPIRE's agent half-closes and goes.
	if err := call.CloseSend(); err != nil {
		return stepTold{}, err
	}
	told, err := n.comeAs(answer.Result.Svid, key)
	told.Reattestable = answer.Result.Reattestable
	return told, err
}

// comeAs is the agent from now on, on a new connection. The one before stays as `before`.
func (n *node) comeAs(given answeredSvid, key *ecdsa.PrivateKey) (stepTold, error) {
	next, err := parsed(given, key)
	if err != nil {
		return stepTold{}, err
	}
	n.svid = next
	if conn, found := n.conns["agent"]; found {
		n.conns["before"] = conn
	}
	err = n.dial("agent", tlsconfig.MTLSClientConfig(next, n.x509, n.authorize()))
	return stepTold{Svids: []svid{read(next, n.x509)}}, err
}

func (n *node) renew(ctx context.Context) (stepTold, error) {
	key, csr, err := newCSR("")
	if err != nil {
		return stepTold{}, err
	}
	var answer struct {
		Svid answeredSvid `json:"svid"`
	}
	request := map[string]any{"params": map[string]any{"csr": csr}}
	if err := n.ask(ctx, agentService+"RenewAgent", request, &answer); err != nil {
		return stepTold{}, err
	}
	return n.comeAs(answer.Svid, key)
}

// fetchBundle takes GetBundle's for what the server is known by, and for what JWT-SVIDs are held against.
func (n *node) fetchBundle(ctx context.Context) error {
	var answer struct {
		X509 []struct {
			Asn1 []byte `json:"asn1"`
		} `json:"x509_authorities"`
		JWT []struct {
			PublicKey []byte `json:"public_key"`
			KeyID     string `json:"key_id"`
		} `json:"jwt_authorities"`
	}
	if err := n.ask(ctx, bundleService+"GetBundle", map[string]any{}, &answer); err != nil {
		return err
	}
	authorities := []*x509.Certificate{}
	for _, each := range answer.X509 {
		authority, err := x509.ParseCertificate(each.Asn1)
		if err != nil {
			return err
		}
		authorities = append(authorities, authority)
	}
	n.x509.SetX509Authorities(authorities)
	for _, each := range answer.JWT {
		key, err := x509.ParsePKIXPublicKey(each.PublicKey)
		if err != nil {
			return err
		}
		if err := n.jwt.AddJWTAuthority(each.KeyID, key); err != nil {
			return err
		}
	}
	return nil
}

// ask makes a unary call as the agent.
func (n *node) ask(ctx context.Context, method string, request, answer any) error {
	conn, found := n.conns["agent"]
	if !found {
		return fmt.Errorf("nobody has joined")
	}
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	said, err := n.wire.invoke(ctx, conn, callAsked{Method: method, Request: text})
	if err != nil {
		return err
	}
	return json.Unmarshal(said, answer)
}

func (n *node) token(ctx context.Context, entry string, audience []string) (stepTold, error) {
	var answer struct {
		Svid struct {
			Token string `json:"token"`
		} `json:"svid"`
	}
	request := map[string]any{"entry_id": entry, "audience": audience}
	if err := n.ask(ctx, svidService+"NewJWTSVID", request, &answer); err != nil {
		return stepTold{}, err
	}
	valid, err := jwtsvid.ParseAndValidate(answer.Svid.Token, n.jwt, audience)
	if err != nil {
		return stepTold{}, err
	}
	return stepTold{Svids: []svid{{ID: valid.ID.String(), NotAfter: valid.Expiry}}}, nil
}
