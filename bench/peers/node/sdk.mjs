// An authorizer, or with OPERATION=Sign an issuer, with one SDK client for all invocations.

import { randomUUID } from "node:crypto";
import {
  KMSClient,
  KMSInvalidSignatureException,
  SignCommand,
  VerifyCommand,
} from "@aws-sdk/client-kms";
import { run } from "./runtime.mjs";

const { KEY, KEY_ALIAS, OPERATION, TOKEN_ISSUER } = process.env;
const MessageType = "RAW";
const SigningAlgorithm = "RSASSA_PKCS1_V1_5_SHA_256";

const kms = new KMSClient();

async function authorize(event) {
  const [scheme, token] = (event.headers.Authorization ?? "").split(" ");
  const [header, payload, signature, ...rest] = (token ?? "").split(".");
  if (scheme !== "Bearer" || !signature || rest.length > 0) {
    throw new Error("Unauthorized");
  }
  const claims = parse(payload);
  if (!(claims?.exp > Date.now() / 1000)) {
    throw new Error("Unauthorized");
  }

  try {
    await kms.send(
      new VerifyCommand({
        KeyId: KEY_ALIAS,
        Message: Buffer.from(`${header}.${payload}`),
        MessageType,
        Signature: Buffer.from(signature, "base64url"),
        SigningAlgorithm,
      }),
    );
  } catch (error) {
    if (error instanceof KMSInvalidSignatureException) {
      throw new Error("Unauthorized");
    }
    throw error;
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

function parse(payload) {
  try {
    return JSON.parse(Buffer.from(payload, "base64url").toString());
  } catch {
    throw new Error("Unauthorized");
  }
}

async function issue(event) {
  const iat = Math.floor(Date.now() / 1000);
  const header = { alg: "RS256", typ: "JWT", kid: KEY };
  const claims = {
    ...event.claims,
    iat,
    exp: iat + event.expires_in,
    iss: TOKEN_ISSUER,
    jti: randomUUID(),
  };
  const message = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  const answer = await kms.send(
    new SignCommand({
      KeyId: KEY_ALIAS,
      Message: Buffer.from(message),
      MessageType,
      SigningAlgorithm,
    }),
  );
  return { token: `${message}.${Buffer.from(answer.Signature).toString("base64url")}` };
}

await run(OPERATION === "Sign" ? issue : authorize);
