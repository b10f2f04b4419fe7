/** What SPIRE's server API v1 has on the wire, by file; facts.ts says how to read it. */
export const SERVER: Readonly<Record<string, string>> = {
  'spire/api/server/agent/v1/agent.proto': `
    rpc Agent/CountAgents(CountAgentsRequest): CountAgentsResponse
    rpc Agent/ListAgents(ListAgentsRequest): ListAgentsResponse
    rpc Agent/GetAgent(GetAgentRequest): types.Agent
    rpc Agent/DeleteAgent(DeleteAgentRequest): google.protobuf.Empty
    rpc Agent/BanAgent(BanAgentRequest): google.protobuf.Empty
    rpc Agent/AttestAgent(stream AttestAgentRequest): stream AttestAgentResponse
    rpc Agent/RenewAgent(RenewAgentRequest): RenewAgentResponse
    rpc Agent/CreateJoinToken(CreateJoinTokenRequest): types.JoinToken
    rpc Agent/PostStatus(PostStatusRequest): PostStatusResponse
    message CountAgentsRequest: 1 filter CountAgentsRequest.Filter
    message CountAgentsRequest.Filter: 1 by_attestation_type string; 2 by_selector_match types.SelectorMatch; 3 by_banned google.protobuf.BoolValue; 4 by_can_reattest google.protobuf.BoolValue; 5 by_expires_before string
    message CountAgentsResponse: 1 count int32
    message ListAgentsRequest: 1 filter ListAgentsRequest.Filter; 2 output_mask types.AgentMask; 3 page_size int32; 4 page_token string
    message ListAgentsRequest.Filter: 1 by_attestation_type string; 2 by_selector_match types.SelectorMatch; 3 by_banned google.protobuf.BoolValue; 4 by_can_reattest google.protobuf.BoolValue; 5 by_expires_before string
    message ListAgentsResponse: 1 agents repeated types.Agent; 2 next_page_token string
    message GetAgentRequest: 1 id types.SPIFFEID; 2 output_mask types.AgentMask
    message DeleteAgentRequest: 1 id types.SPIFFEID
    message BanAgentRequest: 1 id types.SPIFFEID
    message AttestAgentRequest: 1 params AttestAgentRequest.Params of step; 2 challenge_response bytes of step
    message AttestAgentRequest.Params: 1 data types.AttestationData; 2 params AgentX509SVIDParams
    message AttestAgentResponse: 1 result AttestAgentResponse.Result of step; 2 challenge bytes of step
    message AttestAgentResponse.Result: 1 svid types.X509SVID; 2 reattestable bool
    message RenewAgentRequest: 1 params AgentX509SVIDParams
    message RenewAgentResponse: 1 svid types.X509SVID
    message CreateJoinTokenRequest: 1 ttl int32; 2 token string; 3 agent_id types.SPIFFEID
    message AgentX509SVIDParams: 1 csr bytes
    message PostStatusRequest: 1 current_bundle_serial uint64; 2 agent_version string
    message PostStatusResponse
  `,
  'spire/api/server/bundle/v1/bundle.proto': `
    rpc Bundle/CountBundles(CountBundlesRequest): CountBundlesResponse
    rpc Bundle/GetBundle(GetBundleRequest): types.Bundle
    rpc Bundle/AppendBundle(AppendBundleRequest): types.Bundle
    rpc Bundle/PublishJWTAuthority(PublishJWTAuthorityRequest): PublishJWTAuthorityResponse
    rpc Bundle/PublishWITAuthority(PublishWITAuthorityRequest): PublishWITAuthorityResponse
    rpc Bundle/ListFederatedBundles(ListFederatedBundlesRequest): ListFederatedBundlesResponse
    rpc Bundle/GetFederatedBundle(GetFederatedBundleRequest): types.Bundle
    rpc Bundle/BatchCreateFederatedBundle(BatchCreateFederatedBundleRequest): BatchCreateFederatedBundleResponse
    rpc Bundle/BatchUpdateFederatedBundle(BatchUpdateFederatedBundleRequest): BatchUpdateFederatedBundleResponse
    rpc Bundle/BatchSetFederatedBundle(BatchSetFederatedBundleRequest): BatchSetFederatedBundleResponse
    rpc Bundle/BatchDeleteFederatedBundle(BatchDeleteFederatedBundleRequest): BatchDeleteFederatedBundleResponse
    message CountBundlesRequest
    message CountBundlesResponse: 1 count int32
    message GetBundleRequest: 1 output_mask types.BundleMask
    message AppendBundleRequest: 1 x509_authorities repeated types.X509Certificate; 2 jwt_authorities repeated types.JWTKey; 3 output_mask types.BundleMask; 4 wit_authorities repeated types.WITKey
    message PublishJWTAuthorityRequest: 1 jwt_authority types.JWTKey
    message PublishJWTAuthorityResponse: 1 jwt_authorities repeated types.JWTKey
    message PublishWITAuthorityRequest: 1 wit_authority types.WITKey
    message PublishWITAuthorityResponse: 1 wit_authorities repeated types.WITKey
    message ListFederatedBundlesRequest: 1 output_mask types.BundleMask; 2 page_size int32; 3 page_token string
    message ListFederatedBundlesResponse: 1 bundles repeated types.Bundle; 2 next_page_token string
    message GetFederatedBundleRequest: 1 trust_domain string; 2 output_mask types.BundleMask
    message BatchCreateFederatedBundleRequest: 1 bundle repeated types.Bundle; 2 output_mask types.BundleMask
    message BatchCreateFederatedBundleResponse: 1 results repeated BatchCreateFederatedBundleResponse.Result
    message BatchCreateFederatedBundleResponse.Result: 1 status types.Status; 2 bundle types.Bundle
    message BatchUpdateFederatedBundleRequest: 1 bundle repeated types.Bundle; 2 input_mask types.BundleMask; 3 output_mask types.BundleMask
    message BatchUpdateFederatedBundleResponse: 1 results repeated BatchUpdateFederatedBundleResponse.Result
    message BatchUpdateFederatedBundleResponse.Result: 1 status types.Status; 2 bundle types.Bundle
    message BatchSetFederatedBundleRequest: 1 bundle repeated types.Bundle; 2 output_mask types.BundleMask
    message BatchSetFederatedBundleResponse: 1 results repeated BatchSetFederatedBundleResponse.Result
    message BatchSetFederatedBundleResponse.Result: 1 status types.Status; 2 bundle types.Bundle
    message BatchDeleteFederatedBundleRequest: 1 trust_domains repeated string; 2 mode BatchDeleteFederatedBundleRequest.Mode
    enum BatchDeleteFederatedBundleRequest.Mode: 0 RESTRICT; 1 DELETE; 2 DISSOCIATE
    message BatchDeleteFederatedBundleResponse: 1 results repeated BatchDeleteFederatedBundleResponse.Result
    message BatchDeleteFederatedBundleResponse.Result: 1 status types.Status; 2 trust_domain string
  `,
  'spire/api/server/debug/v1/debug.proto': `
    rpc Debug/GetInfo(GetInfoRequest): GetInfoResponse
    message GetInfoRequest
    message GetInfoResponse: 1 svid_chain repeated GetInfoResponse.Cert; 2 uptime int32; 3 agents_count int32; 4 federated_bundles_count int32; 5 entries_count int32
    message GetInfoResponse.Cert: 1 id types.SPIFFEID; 2 expires_at int64; 3 subject string
  `,
  'spire/api/server/entry/v1/entry.proto': `
    rpc Entry/CountEntries(CountEntriesRequest): CountEntriesResponse
    rpc Entry/ListEntries(ListEntriesRequest): ListEntriesResponse
    rpc Entry/GetEntry(GetEntryRequest): types.Entry
    rpc Entry/BatchCreateEntry(BatchCreateEntryRequest): BatchCreateEntryResponse
    rpc Entry/BatchUpdateEntry(BatchUpdateEntryRequest): BatchUpdateEntryResponse
    rpc Entry/BatchDeleteEntry(BatchDeleteEntryRequest): BatchDeleteEntryResponse
    rpc Entry/GetAuthorizedEntries(GetAuthorizedEntriesRequest): GetAuthorizedEntriesResponse
    rpc Entry/SyncAuthorizedEntries(stream SyncAuthorizedEntriesRequest): stream SyncAuthorizedEntriesResponse
    message CountEntriesRequest: 1 filter CountEntriesRequest.Filter
    message CountEntriesRequest.Filter: 1 by_spiffe_id types.SPIFFEID; 2 by_parent_id types.SPIFFEID; 3 by_selectors types.SelectorMatch; 4 by_federates_with types.FederatesWithMatch; 5 by_hint google.protobuf.StringValue; 6 by_downstream google.protobuf.BoolValue
    message CountEntriesResponse: 1 count int32
    message ListEntriesRequest: 1 filter ListEntriesRequest.Filter; 2 output_mask types.EntryMask; 3 page_size int32; 4 page_token string
    message ListEntriesRequest.Filter: 1 by_spiffe_id types.SPIFFEID; 2 by_parent_id types.SPIFFEID; 3 by_selectors types.SelectorMatch; 4 by_federates_with types.FederatesWithMatch; 5 by_hint google.protobuf.StringValue; 6 by_downstream google.protobuf.BoolValue
    message ListEntriesResponse: 1 entries repeated types.Entry; 2 next_page_token string
    message GetEntryRequest: 1 id string; 2 output_mask types.EntryMask
    message BatchCreateEntryRequest: 1 entries repeated types.Entry; 2 output_mask types.EntryMask
    message BatchCreateEntryResponse: 1 results repeated BatchCreateEntryResponse.Result
    message BatchCreateEntryResponse.Result: 1 status types.Status; 2 entry types.Entry
    message BatchUpdateEntryRequest: 1 entries repeated types.Entry; 2 input_mask types.EntryMask; 3 output_mask types.EntryMask
    message BatchUpdateEntryResponse: 1 results repeated BatchUpdateEntryResponse.Result
    message BatchUpdateEntryResponse.Result: 1 status types.Status; 2 entry types.Entry
    message BatchDeleteEntryRequest: 1 ids repeated string
    message BatchDeleteEntryResponse: 1 results repeated BatchDeleteEntryResponse.Result
    message BatchDeleteEntryResponse.Result: 1 status types.Status; 2 id string
    message GetAuthorizedEntriesRequest: 1 output_mask types.EntryMask
    message GetAuthorizedEntriesResponse: 1 entries repeated types.Entry
    message SyncAuthorizedEntriesRequest: 1 output_mask types.EntryMask; 2 ids repeated string
    message SyncAuthorizedEntriesResponse: 1 entry_revisions repeated EntryRevision; 2 entries repeated types.Entry; 3 more bool
    message EntryRevision: 1 id string; 2 revision_number int64; 3 created_at int64
  `,
  'spire/api/server/localauthority/v1/localauthority.proto': `
    rpc LocalAuthority/GetJWTAuthorityState(GetJWTAuthorityStateRequest): GetJWTAuthorityStateResponse
    rpc LocalAuthority/PrepareJWTAuthority(PrepareJWTAuthorityRequest): PrepareJWTAuthorityResponse
    rpc LocalAuthority/ActivateJWTAuthority(ActivateJWTAuthorityRequest): ActivateJWTAuthorityResponse
    rpc LocalAuthority/TaintJWTAuthority(TaintJWTAuthorityRequest): TaintJWTAuthorityResponse
    rpc LocalAuthority/RevokeJWTAuthority(RevokeJWTAuthorityRequest): RevokeJWTAuthorityResponse
    rpc LocalAuthority/GetX509AuthorityState(GetX509AuthorityStateRequest): GetX509AuthorityStateResponse
    rpc LocalAuthority/PrepareX509Authority(PrepareX509AuthorityRequest): PrepareX509AuthorityResponse
    rpc LocalAuthority/ActivateX509Authority(ActivateX509AuthorityRequest): ActivateX509AuthorityResponse
    rpc LocalAuthority/TaintX509Authority(TaintX509AuthorityRequest): TaintX509AuthorityResponse
    rpc LocalAuthority/TaintX509UpstreamAuthority(TaintX509UpstreamAuthorityRequest): TaintX509UpstreamAuthorityResponse
    rpc LocalAuthority/RevokeX509Authority(RevokeX509AuthorityRequest): RevokeX509AuthorityResponse
    rpc LocalAuthority/RevokeX509UpstreamAuthority(RevokeX509UpstreamAuthorityRequest): RevokeX509UpstreamAuthorityResponse
    rpc LocalAuthority/GetWITAuthorityState(GetWITAuthorityStateRequest): GetWITAuthorityStateResponse
    rpc LocalAuthority/PrepareWITAuthority(PrepareWITAuthorityRequest): PrepareWITAuthorityResponse
    rpc LocalAuthority/ActivateWITAuthority(ActivateWITAuthorityRequest): ActivateWITAuthorityResponse
    rpc LocalAuthority/TaintWITAuthority(TaintWITAuthorityRequest): TaintWITAuthorityResponse
    rpc LocalAuthority/RevokeWITAuthority(RevokeWITAuthorityRequest): RevokeWITAuthorityResponse
    message GetJWTAuthorityStateRequest
    message GetJWTAuthorityStateResponse: 1 active AuthorityState; 2 prepared AuthorityState; 3 old AuthorityState
    message PrepareJWTAuthorityRequest
    message PrepareJWTAuthorityResponse: 1 prepared_authority AuthorityState
    message ActivateJWTAuthorityRequest: 1 authority_id string
    message ActivateJWTAuthorityResponse: 1 activated_authority AuthorityState
    message TaintJWTAuthorityRequest: 1 authority_id string
    message TaintJWTAuthorityResponse: 1 tainted_authority AuthorityState
    message RevokeJWTAuthorityRequest: 1 authority_id string
    message RevokeJWTAuthorityResponse: 1 revoked_authority AuthorityState
    message GetX509AuthorityStateRequest
    message GetX509AuthorityStateResponse: 1 active AuthorityState; 2 prepared AuthorityState; 3 old AuthorityState
    message PrepareX509AuthorityRequest
    message PrepareX509AuthorityResponse: 1 prepared_authority AuthorityState
    message ActivateX509AuthorityRequest: 1 authority_id string
    message ActivateX509AuthorityResponse: 1 activated_authority AuthorityState
    message TaintX509AuthorityRequest: 1 authority_id string
    message TaintX509AuthorityResponse: 1 tainted_authority AuthorityState
    message TaintX509UpstreamAuthorityRequest: 1 subject_key_id string
    message TaintX509UpstreamAuthorityResponse: 1 upstream_authority_subject_key_id string
    message RevokeX509UpstreamAuthorityRequest: 1 subject_key_id string
    message RevokeX509UpstreamAuthorityResponse: 1 upstream_authority_subject_key_id string
    message RevokeX509AuthorityRequest: 1 authority_id string
    message RevokeX509AuthorityResponse: 1 revoked_authority AuthorityState
    message GetWITAuthorityStateRequest
    message GetWITAuthorityStateResponse: 1 active AuthorityState; 2 prepared AuthorityState; 3 old AuthorityState
    message PrepareWITAuthorityRequest
    message PrepareWITAuthorityResponse: 1 prepared_authority AuthorityState
    message ActivateWITAuthorityRequest: 1 authority_id string
    message ActivateWITAuthorityResponse: 1 activated_authority AuthorityState
    message TaintWITAuthorityRequest: 1 authority_id string
    message TaintWITAuthorityResponse: 1 tainted_authority AuthorityState
    message RevokeWITAuthorityRequest: 1 authority_id string
    message RevokeWITAuthorityResponse: 1 revoked_authority AuthorityState
    message AuthorityState: 1 authority_id string; 2 expires_at int64; 3 upstream_authority_subject_key_id string
  `,
  'spire/api/server/logger/v1/logger.proto': `
    rpc Logger/GetLogger(GetLoggerRequest): types.Logger
    rpc Logger/SetLogLevel(SetLogLevelRequest): types.Logger
    rpc Logger/ResetLogLevel(ResetLogLevelRequest): types.Logger
    message GetLoggerRequest
    message SetLogLevelRequest: 1 new_level types.LogLevel
    message ResetLogLevelRequest
  `,
  'spire/api/server/svid/v1/svid.proto': `
    rpc SVID/MintX509SVID(MintX509SVIDRequest): MintX509SVIDResponse
    rpc SVID/MintJWTSVID(MintJWTSVIDRequest): MintJWTSVIDResponse
    rpc SVID/MintWITSVID(MintWITSVIDRequest): MintWITSVIDResponse
    rpc SVID/BatchNewX509SVID(BatchNewX509SVIDRequest): BatchNewX509SVIDResponse
    rpc SVID/NewJWTSVID(NewJWTSVIDRequest): NewJWTSVIDResponse
    rpc SVID/BatchNewWITSVID(BatchNewWITSVIDRequest): BatchNewWITSVIDResponse
    rpc SVID/NewDownstreamX509CA(NewDownstreamX509CARequest): NewDownstreamX509CAResponse
    message MintX509SVIDRequest: 1 csr bytes; 2 ttl int32
    message MintX509SVIDResponse: 1 svid types.X509SVID
    message MintWITSVIDRequest: 1 id types.SPIFFEID; 2 public_key bytes; 3 ttl int32; 4 signing_algorithm string
    message MintWITSVIDResponse: 1 svid types.WITSVID
    message MintJWTSVIDRequest: 1 id types.SPIFFEID; 2 audience repeated string; 3 ttl int32
    message MintJWTSVIDResponse: 1 svid types.JWTSVID
    message BatchNewX509SVIDRequest: 1 params repeated NewX509SVIDParams
    message BatchNewX509SVIDResponse: 1 results repeated BatchNewX509SVIDResponse.Result
    message BatchNewX509SVIDResponse.Result: 1 status types.Status; 2 svid types.X509SVID
    message NewJWTSVIDRequest: 1 entry_id string; 2 audience repeated string
    message BatchNewWITSVIDRequest: 1 params repeated NewWITSVIDParams
    message BatchNewWITSVIDResponse: 1 results repeated BatchNewWITSVIDResponse.Result
    message BatchNewWITSVIDResponse.Result: 1 status types.Status; 2 svid types.WITSVID
    message NewJWTSVIDResponse: 1 svid types.JWTSVID
    message NewDownstreamX509CARequest: 1 csr bytes; 2 preferred_ttl int32
    message NewDownstreamX509CAResponse: 1 ca_cert_chain repeated bytes; 2 x509_authorities repeated bytes
    message NewX509SVIDParams: 1 entry_id string; 2 csr bytes
    message NewWITSVIDParams: 1 entry_id string; 2 public_key bytes; 3 signing_algorithm string
  `,
  'spire/api/server/trustdomain/v1/trustdomain.proto': `
    rpc TrustDomain/ListFederationRelationships(ListFederationRelationshipsRequest): ListFederationRelationshipsResponse
    rpc TrustDomain/GetFederationRelationship(GetFederationRelationshipRequest): types.FederationRelationship
    rpc TrustDomain/BatchCreateFederationRelationship(BatchCreateFederationRelationshipRequest): BatchCreateFederationRelationshipResponse
    rpc TrustDomain/BatchUpdateFederationRelationship(BatchUpdateFederationRelationshipRequest): BatchUpdateFederationRelationshipResponse
    rpc TrustDomain/BatchDeleteFederationRelationship(BatchDeleteFederationRelationshipRequest): BatchDeleteFederationRelationshipResponse
    rpc TrustDomain/RefreshBundle(RefreshBundleRequest): google.protobuf.Empty
    message ListFederationRelationshipsRequest: 1 output_mask types.FederationRelationshipMask; 2 page_size int32; 3 page_token string
    message ListFederationRelationshipsResponse: 1 federation_relationships repeated types.FederationRelationship; 2 next_page_token string
    message GetFederationRelationshipRequest: 1 trust_domain string; 2 output_mask types.FederationRelationshipMask
    message BatchCreateFederationRelationshipRequest: 1 federation_relationships repeated types.FederationRelationship; 2 output_mask types.FederationRelationshipMask
    message BatchCreateFederationRelationshipResponse: 1 results repeated BatchCreateFederationRelationshipResponse.Result
    message BatchCreateFederationRelationshipResponse.Result: 1 status types.Status; 2 federation_relationship types.FederationRelationship
    message BatchUpdateFederationRelationshipRequest: 1 federation_relationships repeated types.FederationRelationship; 2 input_mask types.FederationRelationshipMask; 3 output_mask types.FederationRelationshipMask
    message BatchUpdateFederationRelationshipResponse: 1 results repeated BatchUpdateFederationRelationshipResponse.Result
    message BatchUpdateFederationRelationshipResponse.Result: 1 status types.Status; 2 federation_relationship types.FederationRelationship
    message BatchDeleteFederationRelationshipRequest: 1 trust_domains repeated string
    message BatchDeleteFederationRelationshipResponse: 1 results repeated BatchDeleteFederationRelationshipResponse.Result
    message BatchDeleteFederationRelationshipResponse.Result: 1 status types.Status; 2 trust_domain string
    message RefreshBundleRequest: 1 trust_domain string
  `,
}
