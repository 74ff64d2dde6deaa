// Requests tokens with oauth4webapi, and calls the API with them.
//
// Standard input: a list of {issuer, discovery, grant_type, parameters: [[name, value], ...], client_id}, with {key, claims}
// for client_credentials: a private key (PKCS #8) and claims that replace those of the library's assertion.
// Standard output: a list of {status, body, whoami}.
import { importPKCS8 } from "jose";
import { json } from "node:stream/consumers";
import * as oauth from "oauth4webapi";

// `countersign local` has no TLS. Without this option, the library requires https.
const options = { [oauth.allowInsecureRequests]: true };

// `discovery` is an algorithm of the library, or `location` for metadata (RFC 8414) at a URL that is known.
async function discover({ issuer, discovery }) {
  const url = new URL(issuer);
  const response =
    discovery === "location"
      ? await fetch(`${issuer}/.well-known/oauth-authorization-server`)
      : await oauth.discoveryRequest(url, { algorithm: discovery, ...options });
  return oauth.processDiscoveryResponse(url, response);
}

async function requestToken(request) {
  const server = await discover(request);
  const client = { client_id: request.client_id };
  const parameters = new URLSearchParams(request.parameters);
  if (request.grant_type !== "client_credentials") {
    const { grant_type } = request;
    const response = await oauth.genericTokenEndpointRequest(
      server,
      client,
      oauth.None(),
      grant_type,
      parameters,
      options,
    );
    return oauth.processGenericTokenEndpointResponse(server, client, response);
  }
  const authentication = oauth.PrivateKeyJwt(await importPKCS8(request.key, "ES256"), {
    [oauth.modifyAssertion]: (_header, claims) => Object.assign(claims, request.claims),
  });
  const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, options);
  return oauth.processClientCredentialsResponse(server, client, response);
}

async function run(request) {
  try {
    const body = await requestToken(request);
    const url = new URL(`${request.issuer}/whoami`);
    const response = await oauth.protectedResourceRequest(body.access_token, "GET", url, undefined, undefined, options);
    return { status: 200, body, whoami: await response.json() };
  } catch (error) {
    if (!(error instanceof oauth.ResponseBodyError)) throw error;
    return { status: error.status, body: error.cause };
  }
}

const results = [];
for (const request of await json(process.stdin)) results.push(await run(request));
console.log(JSON.stringify(results));
