/** The same network behind a loopback port, for wallets and tests of other processes: nothing may depend on sharing a heap with it. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startSparkHttp, type SparkHttp } from "../../sandbox/spark/http.ts";
import { NetworkRig, TestWallet } from "./network-rig.ts";

const rig = new NetworkRig("light");
let http: SparkHttp;
let wallet: TestWallet;

beforeAll(async () => {
  // The SDK's storage writes a line for each payment it knows already.
  vi.spyOn(console, "debug").mockImplementation(() => {});
  http = await startSparkHttp(rig.spark, 0, { payInvoice: (bolt11, amountSats) => rig.leg.payInvoice(bolt11, amountSats) });
  wallet = await TestWallet.open(rig.spark, 9, { origin: http.url, fetch: (request, init) => fetch(request, init) });
});

afterAll(async () => {
  await wallet.close();
  await http.close();
  rig.spark.close();
});

async function admin(
  method: string,
  path: string,
  body?: object,
  token = http.adminToken,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${http.adminUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test("a wallet of another process is funded, pays and is paid through the loopback port", async () => {
  expect(await admin("POST", "/mint", { identity: wallet.id, sats: [64, 32] })).toMatchObject({ status: 200 });
  await wallet.sync();
  expect((await wallet.send(rig.invoice(63).bolt11)).status).toBe("completed");
  expect((await admin("POST", "/pay", { bolt11: await wallet.invoice(100) })).body).toEqual({ kind: "settled" });
  await wallet.sync();
  expect(await wallet.balance()).toBe(132);
  const { body } = await admin("GET", "/state");
  expect(body).toMatchObject({ config: rig.spark.config, differences: [], counts: { "ssp:RequestLightningSend": 1 } });
  expect(JSON.stringify(body)).not.toMatch(/preimage"|secret|token"/u);
});

test("a dropped connection looks like one, and what was done before it stays done", async () => {
  await admin("POST", "/faults", { side: "ssp", call: "RequestLightningSend", fault: { kind: "drop", when: "after" }, times: 1 });
  const { bolt11, paymentHash } = rig.invoice(31);
  const key = crypto.randomUUID();
  await expect(wallet.send(bolt11, key)).rejects.toThrow();
  expect(rig.paid(paymentHash)).toBe(1);
  await wallet.sync();
  expect((await wallet.payment(key)).status).toBe("completed");
});

test("the SSP's ways, fees and lies are set from outside and all end together", async () => {
  expect(await admin("POST", "/ssp", { payMode: "slow", slowMs: 5, fees: [7], lies: ["fee", "value"] })).toMatchObject({ status: 200 });
  expect([rig.spark.faults.payMode, rig.spark.faults.slowMs, [...rig.spark.faults.sspLies]]).toEqual(["slow", 5, ["fee"]]);
  await admin("DELETE", "/faults");
  expect([rig.spark.faults.payMode, rig.spark.faults.takeFee()]).toEqual(["ok", null]);
});

test("the door stays shut without its token, and names what it does not understand", async () => {
  expect((await admin("GET", "/state", undefined, "0".repeat(64))).status).toBe(403);
  expect((await fetch(http.adminUrl)).status).toBe(403);
  for (const [path, body, detail] of [
    ["/mint", { identity: "me", sats: [1] }, "identity"],
    ["/mint", { identity: wallet.id, sats: [0] }, "sats"],
    ["/faults", { side: "bank", call: "*", fault: { kind: "drop", when: "after" } }, "side"],
    ["/faults", { side: "ssp", call: "*", fault: { kind: "drop" } }, "fault.when"],
    ["/faults", { side: "ssp", call: "*", fault: { kind: "explode", when: "after" } }, "fault.kind"],
    ["/ssp", { lies: ["everything"] }, "lies"],
  ] as const)
    expect(await admin("POST", path, body)).toEqual({ status: 400, body: { code: "invalid_request", detail } });
  expect((await admin("GET", "/nothing")).status).toBe(404);
});
