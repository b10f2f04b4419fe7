package main

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"sort"
)

type spireID struct {
	TrustDomain string `json:"trust_domain"`
	Path        string `json:"path"`
}

type spireEntry struct {
	ID       string  `json:"id"`
	SpiffeID spireID `json:"spiffe_id"`
	Revision string  `json:"revision_number"`
}

var syncedFields = map[string]any{"spiffe_id": true, "selectors": true, "federates_with": true, "admin": true,
	"downstream": true, "expires_at": true, "dns_names": true, "revision_number": true, "store_svid": true,
	"hint": true, "created_at": true, "jwt_svid_ttl": true, "x509_svid_ttl": true, "additional_attributes": true}

type syncAnswer struct {
	Revisions []struct {
		ID       string `json:"id"`
		Revision string `json:"revision_number"`
		Created  string `json:"created_at"`
	} `json:"entry_revisions"`
	Entries []spireEntry `json:"entries"`
	More    bool         `json:"more"`
}

// entries asks SyncAuthorizedEntries as SPIRE's agent does: the mask, and then the IDs of what it has not; where it is given
// IDs, only for those. What comes back is held against GetAuthorizedEntries.
func (n *node) entries(ctx context.Context, ids []string) (stepTold, error) {
	told := stepTold{Entries: []string{}}
	call, err := n.wire.stream(ctx, n.conns["agent"], entryService+"SyncAuthorizedEntries")
	if err != nil {
		return told, err
	}
	revisions, missing, entries := 0, []string{}, []spireEntry{}
	told.Rounds, err = call.round(map[string]any{"output_mask": syncedFields}, func(answer syncAnswer) {
		revisions += len(answer.Revisions)
		entries = append(entries, answer.Entries...)
		for _, each := range answer.Revisions {
			missing = append(missing, each.ID)
		}
	})
	if err != nil {
		return told, err
	}
	if len(ids) > 0 {
		missing = ids
	}
	sort.Strings(missing)
	if revisions > 0 {
		parts, err := call.round(map[string]any{"ids": missing}, func(answer syncAnswer) {
			entries = append(entries, answer.Entries...)
		})
		if err != nil {
			return told, err
		}
		told.Rounds += parts
	}
	if err := call.CloseSend(); err != nil {
		return told, err
	}
	return n.compared(ctx, told, entries, len(ids) == 0)
}

// round sends a message and takes its answer, which may come in parts. It returns how many there were.
func (s *stream) round(message any, take func(syncAnswer)) (int, error) {
	var answer syncAnswer
	parts, err := 1, s.exchange(message, &answer)
	for ; err == nil && answer.More; parts++ {
		take(answer)
		answer = syncAnswer{}
		err = s.next(&answer)
	}
	if err == nil {
		take(answer)
	}
	return parts, err
}

// compared tells the entries by path, once GetAuthorizedEntries has the same where all were asked for.
func (n *node) compared(ctx context.Context, told stepTold, entries []spireEntry, all bool) (stepTold, error) {
	for _, each := range entries {
		revision := each.Revision
		if revision == "" {
			revision = "0"
		}
		told.Entries = append(told.Entries, each.ID+" "+each.SpiffeID.Path+" "+revision)
	}
	sort.Strings(told.Entries)
	if !all {
		return told, nil
	}
	var whole struct {
		Entries []spireEntry `json:"entries"`
	}
	request := map[string]any{"output_mask": syncedFields}
	if err := n.ask(ctx, entryService+"GetAuthorizedEntries", request, &whole); err != nil {
		return told, err
	}
	if len(whole.Entries) != len(entries) {
		return told, fmt.Errorf("%d entries are synced, %d are authorized", len(entries), len(whole.Entries))
	}
	return told, nil
}

// sign has an SVID for each entry signed in one batch, and verifies each as its peers would.
func (n *node) sign(ctx context.Context, ids []string) (stepTold, error) {
	told := stepTold{}
	params, keys := []map[string]any{}, []*ecdsa.PrivateKey{}
	for _, id := range ids {
		key, csr, err := newCSR("spiffe://example.org/whatever")
		if err != nil {
			return told, err
		}
		keys = append(keys, key)
		params = append(params, map[string]any{"entry_id": id, "csr": csr})
	}
	var answer struct {
		Results []struct {
			Status struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
			} `json:"status"`
			Svid answeredSvid `json:"svid"`
		} `json:"results"`
	}
	if err := n.ask(ctx, svidService+"BatchNewX509SVID", map[string]any{"params": params}, &answer); err != nil {
		return told, err
	}
	for index, each := range answer.Results {
		if each.Status.Code != 0 {
			told.Svids = append(told.Svids, svid{Fault: fmt.Sprintf("%d %s", each.Status.Code, each.Status.Message)})
			continue
		}
		signed, err := parsed(each.Svid, keys[index])
		if err != nil {
			return told, err
		}
		told.Svids = append(told.Svids, read(signed, n.x509))
	}
	return told, nil
}
