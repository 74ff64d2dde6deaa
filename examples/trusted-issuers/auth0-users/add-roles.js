// An Action of the trigger post-login: the ID token has the roles of the user, as administrators assigned them in Auth0.
exports.onExecutePostLogin = async (event, api) => {
  api.idToken.setCustomClaim("https://acme.example/roles", event.authorization?.roles ?? []);
};
