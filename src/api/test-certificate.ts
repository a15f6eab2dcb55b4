/** A self-signed certificate of localhost, for tests only. It is good until 2126 and protects nothing. */
export const cert = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUeig+lmJnnAyqgkm+nPdos1kZb+AwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjEzNTcyM1oYDzIxMjYxMDI5
MTM1NzIzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ07tUr42GfIfv5I4QBsvPNYGtkKOEAWd1TtoFraT4zbxP7ozuJuD4U
gGeagjjdnhjbio8wcwFhBNcQiATxAe8ao28wbTAdBgNVHQ4EFgQUmWXFKfKbPbeq
KS8zytPbltpZQu4wHwYDVR0jBBgwFoAUmWXFKfKbPbeqKS8zytPbltpZQu4wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgCMtDCMo3PvIBXBq+IrgJ8J+0FAwod7p8XkZinIcvMVUCIEOv
P67FvQleH86PDPdBsym7hl/j2oyN8qGFT1iOgVkv
-----END CERTIFICATE-----\n`;
export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgczvxECeZwQjllnQG
hlg95MYqPSPBHv+pDveqNRxhiwyhRANCAAQ07tUr42GfIfv5I4QBsvPNYGtkKOEA
Wd1TtoFraT4zbxP7ozuJuD4UgGeagjjdnhjbio8wcwFhBNcQiATxAe8a
-----END PRIVATE KEY-----\n`;
