// Requests tokens with openid-client, and calls the API with them. Input and output are those of oauth4webapi.js.
import { importPKCS8 } from "jose";
import { json } from "node:stream/consumers";
import * as openid from "openid-client";

async function requestToken(request) {
  const { issuer, discovery, client_id, grant_type } = request;
  const isClient = grant_type === "client_credentials";
  const authentication = isClient
    ? openid.PrivateKeyJwt(await importPKCS8(request.key, "ES256"), {
        [openid.modifyAssertion]: (_header, claims) => Object.assign(claims, request.claims),
      })
    : openid.None();
  // The library reads the metadata from the URL itself if it has `/.well-known/` in it.
  const url = discovery === "location" ? `${issuer}/.well-known/oauth-authorization-server` : issuer;
  const config = await openid.discovery(new URL(url), client_id, undefined, authentication, {
    algorithm: discovery === "location" ? undefined : discovery,
    // `countersign local` has no TLS. Without this option, the library requires https.
    execute: [openid.allowInsecureRequests],
  });
  const parameters = new URLSearchParams(request.parameters);
  const body = isClient
    ? await openid.clientCredentialsGrant(config, parameters)
    : await openid.genericGrantRequest(config, grant_type, parameters);
  return { config, body };
}

async function run(request) {
  try {
    const { config, body } = await requestToken(request);
    const url = new URL(`${request.issuer}/whoami`);
    const response = await openid.fetchProtectedResource(config, body.access_token, url, "GET");
    return { status: 200, body, whoami: await response.json() };
  } catch (error) {
    if (!(error instanceof openid.ResponseBodyError)) throw error;
    return { status: error.status, body: error.cause };
  }
}

const results = [];
for (const request of await json(process.stdin)) results.push(await run(request));
console.log(JSON.stringify(results));
