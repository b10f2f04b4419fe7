package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type token struct {
	ID       string    `json:"id"`
	Hint     string    `json:"hint"`
	Audience []string  `json:"audience"`
	Expiry   time.Time `json:"expiry"`
	Token    string    `json:"token"`
}

// answer to one line: tokens fetched, one token validated, or an error.
type answer struct {
	Tokens []token  `json:"tokens"`
	Keys   []string `json:"keys"`
	Error  string   `json:"error"`
	Code   string   `json:"code"`
}

func refused(err error) answer {
	code := codes.Unknown
	// The sources wrap what gRPC said.
	for each := err; each != nil && code == codes.Unknown; each = errors.Unwrap(each) {
		code = status.Code(each)
	}
	return answer{Error: err.Error(), Code: code.String()}
}

func readTokens(from []*jwtsvid.SVID, err error) answer {
	if err != nil {
		return refused(err)
	}
	all := answer{Tokens: []token{}}
	for _, each := range from {
		all.Tokens = append(all.Tokens, token{ID: each.ID.String(), Hint: each.Hint, Audience: each.Audience,
			Expiry: each.Expiry, Token: each.Marshal()})
	}
	return all
}

func readToken(from *jwtsvid.SVID, err error) answer {
	return readTokens([]*jwtsvid.SVID{from}, err)
}

// tokens says {"ready":true}, and is asked:
//
//	fetch      the default one for audience (of subject, if there is one), from JWTSource
//	fetch-all  those of every identity
//	parse      token under the bundles that JWTSource has
//	validate   token by ValidateJWTSVID
//	keys       the key IDs that JWTSource has of the trust domain id
func tokens(ctx context.Context) error {
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	source, err := workloadapi.NewJWTSource(ctx, workloadapi.WithClient(client))
	if err != nil {
		return err
	}
	defer source.Close()
	say(map[string]bool{"ready": true})
	return obey(func(ask asked) any { return answerTokens(ctx, client, source, ask) })
}

func answerTokens(ctx context.Context, client *workloadapi.Client, source *workloadapi.JWTSource, ask asked) answer {
	params := jwtsvid.Params{}
	if len(ask.Audience) > 0 {
		params.Audience, params.ExtraAudiences = ask.Audience[0], ask.Audience[1:]
	}
	if ask.Subject != "" {
		subject, err := spiffeid.FromString(ask.Subject)
		if err != nil {
			return refused(err)
		}
		params.Subject = subject
	}
	switch ask.Do {
	case "fetch":
		return readToken(source.FetchJWTSVID(ctx, params))
	case "fetch-all":
		return readTokens(source.FetchJWTSVIDs(ctx, params))
	case "parse":
		return readToken(jwtsvid.ParseAndValidate(ask.Token, source, ask.Audience))
	case "validate":
		return readToken(client.ValidateJWTSVID(ctx, ask.Token, params.Audience))
	case "keys":
		domain, err := spiffeid.TrustDomainFromString(ask.ID)
		if err != nil {
			return refused(err)
		}
		bundle, err := source.GetJWTBundleForTrustDomain(domain)
		if err != nil {
			return refused(err)
		}
		return answer{Keys: jwtKeys(bundle)}
	default:
		return refused(fmt.Errorf("nothing known to do: %q", ask.Do))
	}
}
