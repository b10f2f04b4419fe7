package main

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/status"
)

type svid struct {
	ID     string `json:"id"`
	Hint   string `json:"hint"`
	Serial string `json:"serial"`
	// Key identifier of what signed it.
	Authority string    `json:"authority"`
	NotAfter  time.Time `json:"notAfter"`
	// Why it does not verify under the bundle that is there; empty where it does.
	Fault string `json:"fault"`
}

// update is what one of those that follow was given.
type update struct {
	From  string `json:"from"`
	Svids []svid `json:"svids"`
	// Key identifiers of the X.509 authorities, by trust domain.
	X509 map[string][]string `json:"x509"`
	// Key IDs of the JWT authorities, by trust domain.
	JWT map[string][]string `json:"jwt"`
	// A status of gRPC by its name, or what the client says of a message.
	Error string `json:"error"`
	Code  string `json:"code"`
}

func read(each *x509svid.SVID, bundles x509bundle.Source) svid {
	leaf := each.Certificates[0]
	_, _, err := x509svid.Verify(each.Certificates, bundles)
	return svid{ID: each.ID.String(), Hint: each.Hint, Serial: leaf.SerialNumber.Text(16),
		Authority: hex.EncodeToString(leaf.AuthorityKeyId), NotAfter: leaf.NotAfter, Fault: told(err)}
}

func x509Keys(bundle *x509bundle.Bundle) []string {
	keys := []string{}
	for _, authority := range bundle.X509Authorities() {
		keys = append(keys, hex.EncodeToString(authority.SubjectKeyId))
	}
	return keys
}

func jwtKeys(bundle *jwtbundle.Bundle) []string {
	keys := []string{}
	for id := range bundle.JWTAuthorities() {
		keys = append(keys, id)
	}
	return keys
}

func x509Of(bundles []*x509bundle.Bundle) map[string][]string {
	all := map[string][]string{}
	for _, bundle := range bundles {
		all[bundle.TrustDomain().Name()] = x509Keys(bundle)
	}
	return all
}

// watch is each of the three watchers of the client.
type watch struct{}

func (watch) OnX509ContextUpdate(given *workloadapi.X509Context) {
	svids := []svid{}
	for _, each := range given.SVIDs {
		svids = append(svids, read(each, given.Bundles))
	}
	say(update{From: "WatchX509Context", Svids: svids, X509: x509Of(given.Bundles.Bundles())})
}

func (watch) OnX509BundlesUpdate(given *x509bundle.Set) {
	say(update{From: "WatchX509Bundles", X509: x509Of(given.Bundles())})
}

func (watch) OnJWTBundlesUpdate(given *jwtbundle.Set) {
	all := map[string][]string{}
	for _, bundle := range given.Bundles() {
		all[bundle.TrustDomain().Name()] = jwtKeys(bundle)
	}
	say(update{From: "WatchJWTBundles", JWT: all})
}

func (watch) OnX509ContextWatchError(err error) { sayError("WatchX509Context", err) }
func (watch) OnX509BundlesWatchError(err error) { sayError("WatchX509Bundles", err) }
func (watch) OnJWTBundlesWatchError(err error)  { sayError("WatchJWTBundles", err) }

func sayError(from string, err error) {
	if err != nil {
		say(update{From: from, Error: err.Error(), Code: status.Code(err).String()})
	}
}

// follow is asked {"do":"bundles","id":TRUST-DOMAIN}: what BundleSource has of it then. It ends with stdin.
func follow(ctx context.Context) error {
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	go func() { _ = client.WatchX509Context(ctx, watch{}) }()
	go func() { _ = client.WatchX509Bundles(ctx, watch{}) }()
	go func() { _ = client.WatchJWTBundles(ctx, watch{}) }()

	go followSource(ctx)

	bundles, err := workloadapi.NewBundleSource(ctx)
	if err != nil {
		return err
	}
	defer bundles.Close()
	return obey(func(ask asked) any { return bundlesOf(bundles, ask.ID) })
}

func followSource(ctx context.Context) {
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		sayError("X509Source", err)
		return
	}
	defer source.Close()
	for {
		each, err := source.GetX509SVID()
		sayError("X509Source", err)
		if err == nil {
			say(update{From: "X509Source", Svids: []svid{read(each, source)}})
		}
		if source.WaitUntilUpdated(ctx) != nil {
			return
		}
	}
}

func bundlesOf(bundles *workloadapi.BundleSource, name string) update {
	answer := update{From: "BundleSource", X509: map[string][]string{}, JWT: map[string][]string{}}
	domain, err := spiffeid.TrustDomainFromString(name)
	if err != nil {
		answer.Error = err.Error()
		return answer
	}
	if bundle, err := bundles.GetX509BundleForTrustDomain(domain); err == nil {
		answer.X509[name] = x509Keys(bundle)
	}
	if bundle, err := bundles.GetJWTBundleForTrustDomain(domain); err == nil {
		answer.JWT[name] = jwtKeys(bundle)
	}
	// Both in one, as a server of bundles wants it.
	if whole, err := bundles.GetBundleForTrustDomain(domain); err != nil {
		answer.Error = err.Error()
	} else if _, err := whole.Marshal(); err != nil {
		answer.Error = err.Error()
	}
	return answer
}
