/**
 * Front door and vault in one script, as wrangler.single.toml deploys them: simpler to deploy, but every start carries the wasm. The default
 * is two scripts (wrangler.toml, wrangler.vault.toml); the tests that look into objects from inside the engine need one.
 */
export { default, ControlPlane, LightningApprovals, LightningService } from "./front.ts";
export { Wallet } from "./vault.ts";
