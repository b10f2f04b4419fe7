/** The generated files, as descriptors: what is built on them is built on these. */
import type { DescFile } from '@bufbuild/protobuf'
import { file_spire_api_server_agent_v1_agent } from '#spire/api/server/agent/v1/agent_pb.js'
import { file_spire_api_server_bundle_v1_bundle } from '#spire/api/server/bundle/v1/bundle_pb.js'
import { file_spire_api_server_debug_v1_debug } from '#spire/api/server/debug/v1/debug_pb.js'
import { file_spire_api_server_entry_v1_entry } from '#spire/api/server/entry/v1/entry_pb.js'
import { file_spire_api_server_localauthority_v1_localauthority } from '#spire/api/server/localauthority/v1/localauthority_pb.js'
import { file_spire_api_server_logger_v1_logger } from '#spire/api/server/logger/v1/logger_pb.js'
import { file_spire_api_server_svid_v1_svid } from '#spire/api/server/svid/v1/svid_pb.js'
import { file_spire_api_server_trustdomain_v1_trustdomain } from '#spire/api/server/trustdomain/v1/trustdomain_pb.js'
import { file_spire_api_types_agent } from '#spire/api/types/agent_pb.js'
import { file_spire_api_types_attestation } from '#spire/api/types/attestation_pb.js'
import { file_spire_api_types_bundle } from '#spire/api/types/bundle_pb.js'
import { file_spire_api_types_entry } from '#spire/api/types/entry_pb.js'
import { file_spire_api_types_federateswith } from '#spire/api/types/federateswith_pb.js'
import { file_spire_api_types_federationrelationship } from '#spire/api/types/federationrelationship_pb.js'
import { file_spire_api_types_jointoken } from '#spire/api/types/jointoken_pb.js'
import { file_spire_api_types_jwtsvid } from '#spire/api/types/jwtsvid_pb.js'
import { file_spire_api_types_logger } from '#spire/api/types/logger_pb.js'
import { file_spire_api_types_selector } from '#spire/api/types/selector_pb.js'
import { file_spire_api_types_spiffeid } from '#spire/api/types/spiffeid_pb.js'
import { file_spire_api_types_status } from '#spire/api/types/status_pb.js'
import { file_spire_api_types_witsvid } from '#spire/api/types/witsvid_pb.js'
import { file_spire_api_types_x509svid } from '#spire/api/types/x509svid_pb.js'

export const SPIRE_FILES: readonly DescFile[] = [
  file_spire_api_server_agent_v1_agent,
  file_spire_api_server_bundle_v1_bundle,
  file_spire_api_server_debug_v1_debug,
  file_spire_api_server_entry_v1_entry,
  file_spire_api_server_localauthority_v1_localauthority,
  file_spire_api_server_logger_v1_logger,
  file_spire_api_server_svid_v1_svid,
  file_spire_api_server_trustdomain_v1_trustdomain,
  file_spire_api_types_agent,
  file_spire_api_types_attestation,
  file_spire_api_types_bundle,
  file_spire_api_types_entry,
  file_spire_api_types_federateswith,
  file_spire_api_types_federationrelationship,
  file_spire_api_types_jointoken,
  file_spire_api_types_jwtsvid,
  file_spire_api_types_logger,
  file_spire_api_types_selector,
  file_spire_api_types_spiffeid,
  file_spire_api_types_status,
  file_spire_api_types_witsvid,
  file_spire_api_types_x509svid,
]
