/** What the messages that SPIRE's APIs share have on the wire, by file; facts.ts says how to read it. */
export const TYPES: Readonly<Record<string, string>> = {
  'spire/api/types/agent.proto': `
    message Agent: 1 id SPIFFEID; 2 attestation_type string; 3 x509svid_serial_number string; 4 x509svid_expires_at int64; 5 selectors repeated Selector; 6 banned bool; 7 can_reattest bool; 8 agent_version string
    message AgentMask: 2 attestation_type bool; 3 x509svid_serial_number bool; 4 x509svid_expires_at bool; 5 selectors bool; 6 banned bool; 7 can_reattest bool; 8 agent_version bool
  `,
  'spire/api/types/attestation.proto': `
    message AttestationData: 1 type string; 2 payload bytes
  `,
  'spire/api/types/bundle.proto': `
    message Bundle: 1 trust_domain string; 2 x509_authorities repeated X509Certificate; 3 jwt_authorities repeated JWTKey; 4 refresh_hint int64; 5 sequence_number uint64; 6 wit_authorities repeated WITKey
    message X509Certificate: 1 asn1 bytes; 2 tainted bool
    message JWTKey: 1 public_key bytes; 2 key_id string; 3 expires_at int64; 4 tainted bool
    message WITKey: 1 public_key bytes; 2 key_id string; 3 expires_at int64; 4 tainted bool
    message BundleMask: 2 x509_authorities bool; 3 jwt_authorities bool; 4 refresh_hint bool; 5 sequence_number bool; 6 wit_authorities bool
  `,
  'spire/api/types/entry.proto': `
    message Entry: 1 id string; 2 spiffe_id SPIFFEID; 3 parent_id SPIFFEID; 4 selectors repeated Selector; 5 x509_svid_ttl int32; 6 federates_with repeated string; 7 admin bool; 8 downstream bool; 9 expires_at int64; 10 dns_names repeated string; 11 revision_number int64; 12 store_svid bool; 13 jwt_svid_ttl int32; 14 hint string; 15 created_at int64; 16 additional_attributes optional Entry.AdditionalAttributes
    message Entry.AdditionalAttributes: 1 disable_x509_svid_prefetch bool; 2 jwt_svid_include_jti bool
    message EntryMask: 2 spiffe_id bool; 3 parent_id bool; 4 selectors bool; 5 x509_svid_ttl bool; 6 federates_with bool; 7 admin bool; 8 downstream bool; 9 expires_at bool; 10 dns_names bool; 11 revision_number bool; 12 store_svid bool; 13 jwt_svid_ttl bool; 14 hint bool; 15 created_at bool; 16 additional_attributes bool
  `,
  'spire/api/types/federateswith.proto': `
    message FederatesWithMatch: 1 trust_domains repeated string; 2 match FederatesWithMatch.MatchBehavior
    enum FederatesWithMatch.MatchBehavior: 0 MATCH_EXACT; 1 MATCH_SUBSET; 2 MATCH_SUPERSET; 3 MATCH_ANY
  `,
  'spire/api/types/federationrelationship.proto': `
    message FederationRelationship: 1 trust_domain string; 2 bundle_endpoint_url string; 3 https_web HTTPSWebProfile of bundle_endpoint_profile; 4 https_spiffe HTTPSSPIFFEProfile of bundle_endpoint_profile; 5 trust_domain_bundle Bundle
    message HTTPSSPIFFEProfile: 1 endpoint_spiffe_id string
    message HTTPSWebProfile
    message FederationRelationshipMask: 1 bundle_endpoint_url bool; 2 bundle_endpoint_profile bool; 3 trust_domain_bundle bool
  `,
  'spire/api/types/jointoken.proto': `
    message JoinToken: 1 value string; 2 expires_at int64
  `,
  'spire/api/types/jwtsvid.proto': `
    message JWTSVID: 1 token string; 2 id SPIFFEID; 3 expires_at int64; 4 issued_at int64; 5 hint string
  `,
  'spire/api/types/logger.proto': `
    message Logger: 1 current_level LogLevel; 2 launch_level LogLevel
    enum LogLevel: 0 UNSPECIFIED; 1 PANIC; 2 FATAL; 3 ERROR; 4 WARN; 5 INFO; 6 DEBUG; 7 TRACE
  `,
  'spire/api/types/selector.proto': `
    message Selector: 1 type string; 2 value string
    message SelectorMatch: 1 selectors repeated Selector; 2 match SelectorMatch.MatchBehavior
    enum SelectorMatch.MatchBehavior: 0 MATCH_EXACT; 1 MATCH_SUBSET; 2 MATCH_SUPERSET; 3 MATCH_ANY
  `,
  'spire/api/types/spiffeid.proto': `
    message SPIFFEID: 1 trust_domain string; 2 path string
  `,
  'spire/api/types/status.proto': `
    message Status: 1 code int32; 2 message string
    message PermissionDeniedDetails: 1 reason PermissionDeniedDetails.Reason
    enum PermissionDeniedDetails.Reason: 0 UNKNOWN; 1 AGENT_EXPIRED; 2 AGENT_NOT_ATTESTED; 3 AGENT_NOT_ACTIVE; 4 AGENT_BANNED; 5 AGENT_MUST_REATTEST
  `,
  'spire/api/types/witsvid.proto': `
    message WITSVID: 1 token string; 2 id SPIFFEID; 3 expires_at int64; 4 issued_at int64; 5 hint string
  `,
  'spire/api/types/x509svid.proto': `
    message X509SVID: 1 cert_chain repeated bytes; 2 id SPIFFEID; 3 expires_at int64; 4 hint string
  `,
}
