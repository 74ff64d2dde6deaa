// An authorizer with jose, with the public key (PKCS #1, DER) in the file PUBLIC_KEY.

import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { jwtVerify } from "jose";
import { run } from "./runtime.mjs";

const { PUBLIC_KEY, TOKEN_ISSUER } = process.env;

const publicKey = createPublicKey({
  key: readFileSync(PUBLIC_KEY),
  format: "der",
  type: "pkcs1",
});
const options = { algorithms: ["RS256"], issuer: TOKEN_ISSUER, requiredClaims: ["exp"] };

async function authorize(event) {
  const [scheme, token] = (event.headers.Authorization ?? "").split(" ");
  if (scheme !== "Bearer") {
    throw new Error("Unauthorized");
  }
  let claims;
  try {
    claims = (await jwtVerify(token, publicKey, options)).payload;
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
