import { describe, expect, it } from "vitest";
import { manualPorts } from "../manual-ports.ts";
import { isLie, SparkFaults } from "./faults.ts";
import { grpcFailure, grpcOk, readFrame } from "./grpc-web.ts";
import type { OperatorLie } from "./operators-port.ts";
import { base64url, fromBase64url, Sessions } from "./sessions.ts";

describe("faults on the Spark network", () => {
  it("hit the named call of the named operator, as often as they say", () => {
    const faults = new SparkFaults(new Set());
    faults.add({ side: "operators", call: "query_nodes", operator: 1, times: 2, fault: { kind: "drop", when: "after" } });
    expect(faults.take("operators", "query_nodes", 0)).toEqual([]);
    expect(faults.take("ssp", "query_nodes", null)).toEqual([]);
    expect(faults.take("operators", "claim_transfer", 1)).toEqual([]);
    for (let i = 0; i < 2; i += 1) expect(faults.take("operators", "query_nodes", 1)).toEqual([{ kind: "drop", when: "after" }]);
    expect(faults.take("operators", "query_nodes", 1)).toEqual([]);
  });

  it("stand until they are taken back where they name no number", () => {
    const faults = new SparkFaults(new Set());
    const stop = faults.add({ side: "ssp", call: "*", fault: { kind: "delay", ms: 5 } });
    for (let i = 0; i < 3; i += 1) expect(faults.take("ssp", "UserRequest", null)).toHaveLength(1);
    stop();
    expect(faults.take("ssp", "UserRequest", null)).toEqual([]);
  });

  it("break the connection of a hanging call when they are released", async () => {
    const faults = new SparkFaults(new Set());
    const hanging = faults.hang(() => new Error("gone"));
    faults.release();
    await expect(hanging).rejects.toThrow("gone");
  });

  it("put the operators' lies where the operators read them, and end them all at once", () => {
    const told = new Set<OperatorLie>();
    const faults = new SparkFaults(told);
    faults.lie("value");
    faults.lie("preimage");
    faults.nextFees(5);
    faults.payMode = "fail";
    expect([...told, ...faults.sspLies]).toEqual(["value", "preimage"]);
    faults.clear();
    expect([told.size, faults.sspLies.size, faults.takeFee(), faults.payMode]).toEqual([0, 0, null, "ok"]);
    expect([isLie("value"), isLie("preimage"), isLie("toString"), isLie(3)]).toEqual([true, true, false, false]);
  });
});

describe("sessions of the four hosts", () => {
  it("open nothing at another host, and end by the clock or when they are dropped", () => {
    const ports = manualPorts();
    let serial = 0;
    const sessions = new Sessions({ ...ports, uuid: () => String((serial += 1)) }, 1000);
    const { token } = sessions.open("op1", "me");
    expect(sessions.identity("op1", token)).toBe("me");
    for (const [host, other] of [
      ["op2", token],
      ["ssp", token],
      ["op1", null],
      ["op1", "op1-9"],
    ] as const)
      expect(sessions.identity(host, other)).toBeNull();
    ports.advance(1000);
    expect(sessions.identity("op1", token)).toBeNull();
    const second = sessions.open("ssp", "me");
    sessions.drop();
    expect(sessions.identity("ssp", second.token)).toBeNull();
  });

  it("take each challenge once, and not after a minute", () => {
    const ports = manualPorts();
    const sessions = new Sessions({ ...ports, uuid: () => "1" }, 1000);
    const first = sessions.challenge(new Uint8Array(32).fill(1));
    expect([sessions.takeChallenge(first), sessions.takeChallenge(first)]).toEqual([true, false]);
    const second = sessions.challenge(new Uint8Array(32).fill(2));
    ports.advance(60_000);
    expect(sessions.takeChallenge(second)).toBe(false);
  });

  it("write base64url without padding and read it back", () => {
    for (const length of [0, 1, 2, 3, 32, 33]) {
      const bytes = Uint8Array.from({ length }, (_, i) => 251 - i);
      expect(fromBase64url(base64url(bytes))).toEqual(bytes);
    }
    expect([fromBase64url("a"), fromBase64url("ab=="), fromBase64url("a+")]).toEqual([null, null, null]);
  });
});

describe("gRPC-web frames", () => {
  it("carry one message and a status of zero", () => {
    const { body } = grpcOk(Uint8Array.of(1, 2, 3));
    expect(readFrame(body.subarray(0, 8))).toEqual(Uint8Array.of(1, 2, 3));
    expect(body[8]).toBe(0x80);
    expect(new TextDecoder().decode(body.subarray(13))).toBe("grpc-status:0\r\n");
  });

  it("refuse what is cut, compressed or more than one", () => {
    for (const bytes of [[], [0, 0, 0, 0], [0, 0, 0, 0, 2, 1], [1, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0]])
      expect(readFrame(Uint8Array.from(bytes))).toBeNull();
  });

  it("say an error in the headers, with an empty body", () => {
    const { headers, body } = grpcFailure({ code: 9, message: "no such leaf: a\nb" });
    expect(headers).toMatchObject({ "grpc-status": "9", "grpc-message": "no%20such%20leaf%3A%20a%0Ab" });
    expect(body.byteLength).toBe(0);
  });
});
