import { text } from "node:stream/consumers";
import { JwtVerifier } from "aws-jwt-verify";
import { SimpleJwksCache } from "aws-jwt-verify/jwk";

const [issuer, audience] = process.argv.slice(2);
const token = (await text(process.stdin)).trim();

const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
// The fetcher of the library accepts only https. `countersign local` serves http.
const fetcher = { fetch: async (url) => (await fetch(url)).arrayBuffer() };
const jwksCache = new SimpleJwksCache({ fetcher });
const verifier = JwtVerifier.create({ issuer, audience, jwksUri: metadata.jwks_uri }, { jwksCache });
const claims = await verifier.verify(token);
console.log(claims.sub);
