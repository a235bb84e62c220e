/** What belongs to an owner and not to one wallet: his operators' keys, and the switches that stop new money (invariant 11). */
import type { Hono } from "hono";
import { CreateApproverKey, CreateOperatorKey, KEY_ID, SwitchBody, strict } from "../../lightning/schema.ts";
import type { SecurityState } from "../../lightning/control-plane.ts";
import { json, problemResponse } from "../answers.ts";
import type { DoorEnv } from "../door.ts";
import { newApproverKey, newOperatorKey } from "../keys.ts";
import { body, nameOf, operatorOf, operatorOnly } from "../middleware.ts";
import { MAIN_OWNER, ROOT_KEY_ID } from "../principal.ts";

/** The epoch is a wallet's; here it would be nobody's. */
const switches = ({ version, globalPause, ownerKillSwitch }: SecurityState) => ({ version, globalPause, ownerKillSwitch });

export function ownerRoutes(app: Hono<DoorEnv>): void {
  app.get("/v1/security", operatorOnly, async (c) => json(switches(await c.env.door.control(operatorOf(c).owner).switches())));

  app.put("/v1/security/global", operatorOnly, ...body(strict(SwitchBody)), async (c) => {
    const operator = operatorOf(c);
    if (operator.owner !== MAIN_OWNER)
      return problemResponse("forbidden", "the global switch belongs to the operators of the platform itself");
    return json(switches(await c.env.door.control(operator.owner).setGlobalPause(c.req.valid("json").active, nameOf(operator))));
  });

  app.put("/v1/security/owner", operatorOnly, ...body(strict(SwitchBody)), async (c) => {
    const operator = operatorOf(c);
    return json(switches(await c.env.door.control(operator.owner).setOwnerKillSwitch(c.req.valid("json").active, nameOf(operator))));
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
    if (keyId === ROOT_KEY_ID)
      return problemResponse("forbidden", "the first operator key ends when the secret LIGHTNING_OPERATOR_KEY_SHA256 is changed");
    if (!KEY_ID.test(keyId)) return problemResponse("not_found");
    const revokedAt = door.now();
    return (await door.control(operatorOf(c).owner).revokeOperatorKey(keyId, revokedAt))
      ? json({ keyId, revokedAt })
      : problemResponse("not_found");
  });

  app.get("/v1/approver-keys", operatorOnly, async (c) => json({ keys: await c.env.door.control(operatorOf(c).owner).approverKeys() }));

  app.post("/v1/approver-keys", operatorOnly, ...body(strict(CreateApproverKey)), async (c) => {
    const door = c.env.door;
    const { owner } = operatorOf(c);
    const key = newApproverKey(door.random, owner);
    const view = { keyId: key.keyId, label: c.req.valid("json").label ?? "", createdAt: door.now() };
    await door.control(owner).addApproverKey({ ...view, hash: key.hash });
    return json({ ...view, revokedAt: null, key: key.text }, 201);
  });

  app.delete("/v1/approver-keys/:keyId", operatorOnly, async (c) => {
    const door = c.env.door;
    const keyId = c.req.param("keyId");
    if (!KEY_ID.test(keyId)) return problemResponse("not_found");
    const revokedAt = door.now();
    return (await door.control(operatorOf(c).owner).revokeApproverKey(keyId, revokedAt))
      ? json({ keyId, revokedAt })
      : problemResponse("not_found");
  });
}
