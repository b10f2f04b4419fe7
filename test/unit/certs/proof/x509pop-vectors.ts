/** Challenges of x509pop with their answers, made with Go's crypto/rsa (PSS with the longest salt) and crypto/ecdsa. */
export const VECTORS = [
  {
    name: 'RSA',
    spki: 'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtonDusTwEOjP9nJbAbcInG6FEadT3R3b0OsnQyzI36YUdDx6UVpF9e2vhyDq283fhU5JXhsOqF1cbkJY/mHd2eFVmXk395xBje35aMTykfh6eCLvKrdVfDHWTGzbbEj0h8suGR2sEDUUHIp2MY9C9tagRzaBZecWdVjeT5VViw9RtrI9EY7HFkf3+jrVTIt2QULMUu/ulTVBzsAy1N98/uwAgQqJfl0Kr0Ze3UpTOMgxfMHl/1tzYZgQC4cbY7N822vcTiSchbovbJpCyjcBN2kE2cePpQraDI9IHFnKKhNIDJqu1n1leU/4LmVec7yDTKVz0lmE0PxPT4nmQw0CowIDAQAB',
    challenge:
      '{"rsa_signature":{"nonce":"IcvuViWHemBXAWeYmtng/fKs60l8yjJfrvxt8oMX/dw="},"ecdsa_signature":null}',
    response:
      '{"rsa_signature":{"nonce":"jUBQcOedQqtKwH8bp8VDXnYXDSBsieLWtnqg5jx9vr0=","signature":"aSPRgtVxzbk9m/HkKBMLgpgqOAysIg+DrXxxAhjBLqLJs0n+Ete5Klm76Cq7oVcAK7cZbQ5c9xKmMlgLvfrdq+y45+k+ZgZCRHQuM3fyLws99h/BjraGas2AwNT6Za0yolsZDaluN1zE9THYkrUwF74o9PMIACkxlCgJtj2p2P4g+Jf0lSZwbcvxGDoyVV794r3zs21on6UDl6rvXJDRpzDwXPl51/NsriDuystDpGuZIDF31NmbsUmjAdgrq+GgKOKctuZ2J8ImQfcSj008OS9mc3WneVd96SNqimnHLzhAzCkTQ1Ag9mb4OmyLtNLGItxVw0hlXaHJyGznayH61Q=="},"ecdsa_signature":null}',
  },
  {
    name: 'P-256',
    spki: 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENBKrRal+QgvqSx5MerRn8GX0EQkJvkQiTidHHTKXUUXuHTY+1j4OrLsyxShBOmBz7AkRVj8QIlotaHn16+6Alg==',
    challenge:
      '{"rsa_signature":null,"ecdsa_signature":{"nonce":"9gJ3xcIa8awVAyxOL1ziezSp2rBxX6V+KRcBStPTq1Q="}}',
    response:
      '{"rsa_signature":null,"ecdsa_signature":{"nonce":"wGA4R0rXSJRHz+9+2ONIW/eQI01T1GgqxNktZtO8XZA=","r":"QRd2MtHCK88AF9qXLvOgBzpOT2q+Bs3PkeLZ6AoESQ==","s":"L7olJ7/AW38tqb0hlCfRSmkt4KDaevH2GsO8lkS6BSg="}}',
  },
  {
    name: 'P-384',
    spki: 'MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAErA9JZWTJVatGE3S2VgplHvMaTjPGEC71lnvoxksltlWXXpF4teXHZasBdMRXO0/3h0DzmZCjxGmUW0rLrqJAimRTTTzmtUbg/cFRqOjNhUfYd2u1fpvDOkeA/qsCUUeH',
    challenge:
      '{"rsa_signature":null,"ecdsa_signature":{"nonce":"uLrdTJE03/k/IHhsyHmiGagcYUhDb7PCYjcUg5FDOQM="}}',
    response:
      '{"rsa_signature":null,"ecdsa_signature":{"nonce":"ufSn9/sfWsOnvsQd8tx0UTixElXD766NJhI7JXT/hT4=","r":"IGHG01d1BM3orr/Fn1LDllwL86twI5cQvRzAJscka84R4AreBKuhIedwflRmxDNF","s":"n9j9xjCQU32rToT8WkfcTmWzAByejIKl2sftz6ebFX+z+N+2OSOHWvWr564o4CG1"}}',
  },
  {
    name: 'P-521',
    spki: 'MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBkRb3vTspNZ+jVYWSaJ8T/O9BEIsZnPovzVZi3nVqS3NPiKYacMYkjfjDJTxlbHHuGz2e7EALlHJql+kpHbQOX5UAbK3fL/zjVs5N+XSoYZKdPb9D6FhgKxM/XJYi/CkAacfaTXZV80X5n99JxLBkjYwavSJn2zE8XSIo2k9Jt19dldg=',
    challenge:
      '{"rsa_signature":null,"ecdsa_signature":{"nonce":"PSHNRzK3tBeOIPIwD0weevszXQI1hR171piB0qZEJfM="}}',
    response:
      '{"rsa_signature":null,"ecdsa_signature":{"nonce":"bb1dYJj5uTwFXAkBAA6X5MCxyY9kHDlfvlBXMA26JL8=","r":"CBQx8Rg+ezC7esXLGTB58UU+/s7WT5ToyYyr7FP6uuyhZ0/3w1DjkLFByb6DX5M0/KF54rXrDOBR/48EjemRLIc=","s":"AepSdwOKDWEC6QyUjWhqMo0xY1n7mEbsu7kSIwlKtnuF9qkXKlvpp1yKxN1dGczCzJbXPX4UiqzcXMNvzHeVtoQV"}}',
  },
] as const
