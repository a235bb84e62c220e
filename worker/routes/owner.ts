/** What belongs to an owner and not to one wallet: his operators' keys, and the switches that stop new money (invariant 11). */
import type { Hono } from "hono";
import { CreateOperatorKey, KEY_ID, SwitchBody, strict } from "../../lightning/schema.ts";
import type { SecurityState } from "../../lightning/control-plane.ts";
import { json, problemResponse } from "../answers.ts";
import type { DoorEnv } from "../door.ts";
import { newOperatorKey } from "../keys.ts";
import { body, operatorOf, operatorOnly } from "../middleware.ts";
import { MAIN_OWNER, ROOT_KEY_ID, type Operator } from "../principal.ts";

const by = ({ owner, keyId }: Operator): string => `operator/${owner}/${keyId}`;

/** The epoch is a wallet's; here it would be nobody's. */
const switches = ({ version, globalPause, ownerKillSwitch }: SecurityState) => ({ version, globalPause, ownerKillSwitch });
/** As long as no wallet exists the control plane cannot be asked for them, and `null` says so: `false` would be a guess. */
const UNKNOWN = { version: null, globalPause: null, ownerKillSwitch: null };

export function ownerRoutes(app: Hono<DoorEnv>): void {
  app.get("/v1/security", operatorOnly, async (c) => {
    const control = c.env.door.control(operatorOf(c).owner);
    const [wallet] = await control.wallets();
    return json(wallet === undefined ? UNKNOWN : switches(await control.security(wallet.walletId)));
  });

  app.put("/v1/security/global", operatorOnly, ...body(strict(SwitchBody)), async (c) => {
    const operator = operatorOf(c);
    if (operator.owner !== MAIN_OWNER) return problemResponse("forbidden", "the global switch belongs to the operators of the platform itself");
    return json(switches(await c.env.door.control(operator.owner).setGlobalPause(c.req.valid("json").active, by(operator))));
  });

  app.put("/v1/security/owner", operatorOnly, ...body(strict(SwitchBody)), async (c) => {
    const operator = operatorOf(c);
    return json(switches(await c.env.door.control(operator.owner).setOwnerKillSwitch(c.req.valid("json").active, by(operator))));
  });

  app.get("/v1/operator-keys", operatorOnly, async (c) => json({ keys: await c.env.door.control(operatorOf(c).owner).operatorKeys() }));

  app.post("/v1/operator-keys", operatorOnly, ...body(strict(CreateOperatorKey)), async (c) => {
    const door = c.env.door;
    const { owner } = operatorOf(c);
    const key = newOperatorKey(door.random, owner);
    const view = { keyId: key.keyId, label: c.req.valid("json").label ?? "", createdAt: door.now() };
    await door.control(owner).addOperatorKey({ ...view, hash: key.hash });
    return json({ ...view, revokedAt: null, key: key.text }, 201);
  });

  app.delete("/v1/operator-keys/:keyId", operatorOnly, async (c) => {
    const door = c.env.door;
    const keyId = c.req.param("keyId");
    if (keyId === ROOT_KEY_ID) return problemResponse("forbidden", "the first operator key ends when the secret LIGHTNING_OPERATOR_KEY_SHA256 is changed");
    if (!KEY_ID.test(keyId)) return problemResponse("not_found");
    const revokedAt = door.now();
    return (await door.control(operatorOf(c).owner).revokeOperatorKey(keyId, revokedAt)) ? json({ keyId, revokedAt }) : problemResponse("not_found");
  });
}
