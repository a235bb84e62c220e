/** The wallet's executor client against servers that misbehave on a real socket: nothing they do may look like a definite failure (invariant 4). */
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { httpExecutor } from "../../durable-objects/http-executor.ts";
import { msat } from "../../lightning/msat.ts";
import type { Payer, PaymentOrder } from "../../lightning/payer.ts";

const ORDER: PaymentOrder = {
  walletId: "w1",
  epoch: 1,
  operationId: "0b0d9c52-6d4e-4a53-9b0e-6f0c0d7a9f11",
  bolt11: "lnbcrt1x",
  paymentHash: "ab".repeat(32),
  amountMsat: msat(1000),
  maxFeeMsat: msat(0),
  deadline: 1_790_000_000_000,
};
const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const FAILED = JSON.stringify({ kind: "failed", code: "no_route", definite: true, operationId: ORDER.operationId });

describe("the HTTP executor client against a misbehaving server", () => {
  const servers: { server: Server; sockets: Set<Socket> }[] = [];
  afterEach(async () => {
    for (const { server, sockets } of servers.splice(0)) {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    }
  });

  async function against(behave: (socket: Socket) => void, timeoutMs: number): Promise<Payer> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("data", () => behave(socket));
    }).listen(0, "127.0.0.1");
    servers.push({ server, sockets });
    await once(server, "listening");
    return httpExecutor({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: "t", timeoutMs, fetch });
  }

  it.each<[string, (socket: Socket) => void, string, number]>([
    ["never answers", () => {}, "timeout", 50],
    ["stops after its headers", (socket) => socket.write(`${HEAD}content-length: 500\r\n\r\n`), "timeout", 50],
    ["drips its body and never ends", (socket) => socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n2\r\n{"\r\n`), "timeout", 50],
    ["resets the connection", (socket) => socket.resetAndDestroy(), "connection", 5000],
    ["closes without an answer", (socket) => socket.end(), "connection", 5000],
    ["cuts its body short", (socket) => socket.end(`${HEAD}content-length: 500\r\n\r\n${FAILED}`), "connection", 5000],
    ["does not speak HTTP", (socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n"), "connection", 5000],
    [
      "redirects",
      (socket) => socket.end("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
      "http_307",
      5000,
    ],
    [
      "sends a failure as an error page",
      (socket) => socket.end(`HTTP/1.1 502 Bad Gateway\r\ncontent-length: ${FAILED.length}\r\n\r\n${FAILED}`),
      "http_502",
      5000,
    ],
    [
      "sends an answer without end",
      (socket) => socket.write(`${HEAD}content-length: 100000000\r\n\r\n${" ".repeat(200_000)}`),
      "answer_too_large",
      5000,
    ],
  ])("invariant 4: a server that %s leaves the order unknown", async (_what, behave, reason, timeoutMs) => {
    const payer = await against(behave, timeoutMs);
    expect(await payer.pay(ORDER)).toEqual({ kind: "unknown", reason });
  });

  it("reads a definite failure where one was really sent", async () => {
    const payer = await against((socket) => socket.end(`${HEAD}content-length: ${FAILED.length}\r\n\r\n${FAILED}`), 5000);
    expect(await payer.pay(ORDER)).toEqual({ kind: "failed", code: "no_route", definite: true });
  });

  it("invariant 4: a refused connection is unknown too", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const payer = httpExecutor({ baseUrl: `http://127.0.0.1:${port}`, token: "t", timeoutMs: 5000, fetch });
    expect(await payer.pay(ORDER)).toEqual({ kind: "unknown", reason: "connection" });
    expect(await payer.cancel(ORDER)).toBe("cannot_fence");
    expect(await payer.status()).toMatchObject({ online: false, spendableMsat: null });
  });
});
