"""A program that uses the Python package spiffe, as anybody's does, with what SPIFFE_ENDPOINT_SOCKET names.

It tells on stdout, one JSON object a line, what X509Source and JwtSource are given, and answers each line of stdin with a
line {"answer": ...}:

    x509      the X.509 context by WorkloadApiClient
    bundles   the X.509 bundles by WorkloadApiClient
    fetch     a JWT-SVID for audience (of subject, if there is one)
    fetch-all those of every identity
    parse     token under the bundles that JwtSource has
    validate  token by ValidateJWTSVID
    keys      JWT key IDs by trust domain, by WorkloadApiClient
"""

import json
import sys
import threading

from cryptography import x509
from spiffe import JwtSource, JwtSvid, SpiffeId, TrustDomain, WorkloadApiClient, X509Source

PATIENCE = 20
saying = threading.Lock()


def say(value):
    with saying:
        print(json.dumps(value), flush=True)


def key_id(certificate):
    extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return extension.value.digest.hex()


def read_svid(svid, bundles):
    """What it says of itself, and why it does not verify; no fault is ''."""
    fault = 'no authority of its trust domain has signed it'
    bundle = bundles.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
    for authority in bundle.x509_authorities if bundle is not None else ():
        try:
            svid.leaf.verify_directly_issued_by(authority)
            fault = ''
        except Exception:  # of another authority
            pass
    if svid.private_key.public_key() != svid.leaf.public_key():
        fault = 'the key is of another certificate'
    return {'id': str(svid.spiffe_id), 'serial': '%x' % svid.leaf.serial_number, 'fault': fault}


def read_bundles(bundles):
    return {
        bundle.trust_domain.name: sorted(key_id(each) for each in bundle.x509_authorities)
        for bundle in bundles.bundles
    }


def read_context(context):
    bundles = context.x509_bundle_set
    return {
        'svids': [read_svid(each, bundles) for each in context.x509_svids],
        'x509': read_bundles(bundles),
    }


def read_keys(bundles):
    return {bundle.trust_domain.name: sorted(bundle.jwt_authorities) for bundle in bundles}


def read_tokens(svids):
    return {
        'tokens': [
            {'id': str(each.spiffe_id), 'audience': sorted(each.audience), 'token': each.token}
            for each in svids
        ]
    }


def answer(client, jwt, ask):
    audience = set(ask.get('audience', []))
    subject = SpiffeId(ask['subject']) if ask.get('subject') else None
    what = ask['do']
    if what == 'x509':
        return read_context(client.fetch_x509_context(timeout=PATIENCE))
    if what == 'bundles':
        return {'x509': read_bundles(client.fetch_x509_bundles(timeout=PATIENCE))}
    if what == 'fetch':
        return read_tokens([jwt.fetch_svid(audience, subject)])
    if what == 'fetch-all':
        return read_tokens(client.fetch_jwt_svids(audience, subject, timeout=PATIENCE))
    if what == 'parse':
        domain = TrustDomain(ask['id'])
        bundle = jwt.get_bundle_for_trust_domain(domain)
        return read_tokens([JwtSvid.parse_and_validate(ask['token'], bundle, audience)])
    if what == 'validate':
        token = client.validate_jwt_svid(ask['token'], ask['audience'][0], timeout=PATIENCE)
        return read_tokens([token])
    if what == 'keys':
        return {'jwt': read_keys(client.fetch_jwt_bundles(timeout=PATIENCE).bundles)}
    raise ValueError('nothing known to do: %s' % what)


def main():
    with WorkloadApiClient() as client:
        x509_source = X509Source(timeout_in_seconds=PATIENCE)

        def tell_x509():
            say({'from': 'X509Source', **read_context(x509_source.get_x509_context())})

        x509_source.subscribe_for_updates(tell_x509)
        tell_x509()
        jwt_source = JwtSource(timeout_in_seconds=PATIENCE)

        def tell_jwt():
            say({'from': 'JwtSource', 'jwt': read_keys(jwt_source.bundles)})

        jwt_source.subscribe_for_updates(tell_jwt)
        tell_jwt()
        for line in sys.stdin:
            try:
                say({'answer': answer(client, jwt_source, json.loads(line))})
            except Exception as error:
                say({'answer': {'error': str(error), 'kind': type(error).__name__}})
        x509_source.close()
        jwt_source.close()


main()
