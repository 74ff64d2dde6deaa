use jwt::Algorithm;

/// The longest request, in bytes, that is parsed. A parsed value takes many times the memory of its text.
/// The claims of a granted request are shorter; the rest is for white space and escapes.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// The longest token, in bytes, that a client can send. API Gateway accepts 10,240 bytes of request line and
/// headers in total (Amazon API Gateway quotas). One kibibyte is reserved for the other headers.
pub const MAX_TOKEN_BYTES: usize = 10_240 - 1024 - "Authorization: Bearer ".len();

/// The longest proxy event, in bytes, that is parsed: the longest one that API Gateway sends with a body of
/// [`MAX_REQUEST_BYTES`]. JSON takes at most six characters for a byte of the body (`\u0000`). The request line
/// and the headers, which an event can contain twice, take 10,240 bytes (Amazon API Gateway quotas). The request
/// context takes less than that.
pub(crate) const MAX_EVENT_BYTES: usize = 6 * MAX_REQUEST_BYTES + 128 * 1024;

/// The longest payload of a token, in bytes. With the header and the longest RSA signature, the token stays
/// within [`Algorithm::max_token_bytes`]. ML-DSA tokens have more room than their signatures need.
pub(crate) const MAX_CLAIMS_BYTES: usize =
    (Algorithm::Rs256.max_token_bytes() - MAX_OTHER_CHARS) / 4 * 3;

/// Reserved for the other parts of a token: 683 characters for the signature of an RSA key of 4096 bits, two dots, and
/// the rest for the header.
const MAX_OTHER_CHARS: usize = 992;
