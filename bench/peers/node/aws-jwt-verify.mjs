// An authorizer with aws-jwt-verify, with the public key (PKCS #1, DER) in the file PUBLIC_KEY.

import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { JwtRsaVerifier } from "aws-jwt-verify";
import { run } from "./runtime.mjs";

const { KEY, PUBLIC_KEY, TOKEN_ISSUER } = process.env;

const publicKey = createPublicKey({
  key: readFileSync(PUBLIC_KEY),
  format: "der",
  type: "pkcs1",
});
const verifier = JwtRsaVerifier.create({
  issuer: TOKEN_ISSUER,
  audience: null,
  // Not fetched: the key is in the cache, and verifySync uses only the cache.
  jwksUri: "https://issuer.invalid/jwks.json",
});
verifier.cacheJwks({
  keys: [{ ...publicKey.export({ format: "jwk" }), kid: KEY, alg: "RS256", use: "sig" }],
});

async function authorize(event) {
  const [scheme, token] = (event.headers.Authorization ?? "").split(" ");
  if (scheme !== "Bearer") {
    throw new Error("Unauthorized");
  }
  let claims;
  try {
    claims = verifier.verifySync(token);
  } catch {
    throw new Error("Unauthorized");
  }

  return {
    principalId: claims.sub,
    policyDocument: {
      Version: "2012-10-17",
      Statement: [
        { Action: "execute-api:Invoke", Effect: "Allow", Resource: event.methodArn },
      ],
    },
  };
}

await run(authorize);
