// Sign-in providers for tests. At `/`: oidc-provider, which logs in whoever `login_hint` names, without a
// page; accounts are addresses, those that begin with `unproven-` were not proven. At `/evil/<fault>`:
// providers that are wrong in one way each; their code is the nonce that they put into the token.
import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import Provider from "oidc-provider";

const [redirectUri] = process.argv.slice(2);
const CLIENT = { id: "shop", secret: "a+secret that nobody else knows: 50% & more" };

const server = createServer((request, response) => answer(request, response));
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const base = `http://127.0.0.1:${server.address().port}`;

const keys = await generateKeyPair("RS256", { extractable: true });
const stranger = await generateKeyPair("RS256", { extractable: true });
const elliptic = await generateKeyPair("ES256", { extractable: true });
const publicKey = { ...(await exportJWK(keys.publicKey)), kid: "k1", alg: "RS256", use: "sig" };
const privateKey = { ...(await exportJWK(keys.privateKey)), kid: "k1", alg: "RS256", use: "sig" };

const provider = new Provider(base, {
  clients: [{ client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: [redirectUri] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  cookies: { keys: ["test"] },
  jwks: { keys: [privateKey] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: id.replace(/^unproven-/, ""), email_verified: !id.startsWith("unproven-"), name: "Ann Lee" }),
  }),
  loadExistingGrant: async (context) => {
    const { client, session } = context.oidc;
    const grant = new context.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope("openid email profile");
    await grant.save();
    return grant;
  },
});

async function answer(request, response) {
  const url = new URL(request.url, base);
  if (url.pathname.startsWith("/evil/")) return evil(request, response, url);
  if (!url.pathname.startsWith("/interaction/")) return provider.callback()(request, response);
  const { params } = await provider.interactionDetails(request, response);
  return provider.interactionFinished(request, response, { login: { accountId: params.login_hint } });
}

async function evil(request, response, url) {
  const [, , fault, ...rest] = url.pathname.split("/");
  const issuer = `${base}/evil/${fault}`;
  const json = (body) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(body));
  };
  switch (rest.join("/")) {
    case ".well-known/openid-configuration":
      if (fault === "redirect") {
        response.writeHead(302, { location: `${base}/evil/good/.well-known/openid-configuration` });
        return response.end();
      }
      if (fault === "endless") return response.end(`{"issuer": "${"x".repeat(400_000)}"}`);
      return json({
        issuer: fault === "discovery" ? base : issuer,
        authorization_endpoint: fault === "script" ? "javascript:alert(1)" : `${issuer}/auth`,
        token_endpoint: fault === "inside" ? "http://169.254.169.254/latest" : `${issuer}/token`,
        jwks_uri: fault === "inside-keys" ? "http://10.0.0.1/keys" : `${issuer}/keys`,
        userinfo_endpoint: `${issuer}/me`,
      });
    case "keys":
      return json({ keys: [publicKey, { ...(await exportJWK(elliptic.publicKey)), kid: "k2" }] });
    case "me":
      return json({
        sub: fault === "userinfo" ? "somebody-else" : "evil-42",
        email: "owner@one.example",
        email_verified: fault !== "unproven",
      });
    case "token": {
      let body = "";
      for await (const chunk of request) body += chunk;
      return json({ id_token: await token(fault, issuer, new URLSearchParams(body)), access_token: "a", token_type: "Bearer" });
    }
    default:
      response.statusCode = 404;
      return response.end();
  }
}

async function token(fault, issuer, form) {
  const now = Math.floor(Date.now() / 1000);
  const proven = fault !== "unproven" && fault !== "userinfo";
  const claims = {
    iss: fault === "iss" ? base : issuer,
    sub: "evil-42",
    aud: fault === "aud" ? "another" : fault === "azp" ? [CLIENT.id, "another"] : CLIENT.id,
    nonce: fault === "nonce" ? "another" : form.get("code"),
    iat: fault === "future" ? now + 3600 : now - 10,
    exp: fault === "expired" ? now - 3600 : now + 300,
    ...(fault === "userinfo" ? {} : { email: "owner@one.example", email_verified: proven }),
  };
  const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  if (fault === "none") return `${part({ alg: "none" })}.${part(claims)}.`;
  const signed = (alg, kid, key) => new SignJWT(claims).setProtectedHeader({ alg, kid }).sign(key);
  const bytes = (text) => new TextEncoder().encode(text);
  switch (fault) {
    case "secret": return signed("HS256", "k1", bytes(CLIENT.secret));
    case "public": return signed("HS256", "k1", bytes(JSON.stringify(publicKey).padEnd(64)));
    case "kid": return signed("RS256", "k9", keys.privateKey);
    case "forged": return signed("RS256", "k1", stranger.privateKey);
    case "mixed": return signed("ES256", "k1", elliptic.privateKey);
    case "elliptic": return signed("ES256", "k2", elliptic.privateKey);
    default: return signed("RS256", "k1", keys.privateKey);
  }
}

console.log(JSON.stringify({ base, secret: CLIENT.secret }));
process.stdin.on("end", () => process.exit()).resume();
