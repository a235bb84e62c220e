/** Flows that pay, and flows that must not pay twice. */
import { sats } from "../../lightning/msat.ts";
import { delivered, must, settlements, type Flow, type FlowContext } from "./context.ts";

const inSats = (spentMsat: number | null): string => `${(spentMsat ?? 0) / 1000} sat`;

export const paid: Flow = {
  name: "paid",
  claim: "a 402 is paid once, redeemed with its proof, and leaves a receipt (invariants 5, 14)",
  run: async (context) => {
    const agent = await context.agent();
    const { result, settled } = await settlements(context.system, () => agent.fetch("/joke"));
    delivered(result, "paid");
    must(settled === 1, "exactly one payment must settle", settled);
    must((result.lightning.spentMsat ?? 0) >= sats(21), "at least the price of 21 sat must be spent", result.lightning.spentMsat);
    const receipt = await receiptOf(context, agent.walletId, result.lightning.receipt);
    must(receipt["kind"] === "paid" && receipt["amountMsat"] === 21_000, "the receipt must say paid, 21000 msat", receipt["kind"]);
    return `402, paid ${inSats(result.lightning.spentMsat)}, 200`;
  },
};

export const cached: Flow = {
  name: "cached",
  claim: "invariant 2: what was paid serves again, and its neighbours under the same token, without a second payment",
  run: async (context) => {
    const agent = await context.agent();
    delivered(await agent.fetch("/joke"), "paid");
    const { result, settled } = await settlements(context.system, async () => [
      await agent.fetch("/joke"),
      await agent.fetch("/joke/again"),
    ]);
    for (const answer of result) delivered(answer, "cached", sats(0));
    must(settled === 0, "no second payment may settle", settled);
    return "same resource and its neighbour under the same token: 0 sat";
  },
};

export const credentialExpires: Flow = {
  name: "credential expires",
  claim: "a credential is used until its valid_until, then a new one is bought",
  run: async (context) => {
    const agent = await context.agent();
    delivered(await agent.fetch("/short"), "paid");
    // The seller's token lives 5 s, the payment's own time among them: until then it is used again, after that a new one is bought.
    const deadline = performance.now() + 10_000;
    let reused = 0;
    let answer = await agent.fetch("/short");
    while (answer.lightning.status === "cached" && performance.now() < deadline) {
      reused++;
      await new Promise((done) => setTimeout(done, 200));
      answer = await agent.fetch("/short");
    }
    must(reused > 0, "the credential must be used again while it is valid");
    delivered(answer, "paid");
    return `used ${reused} more times within its 5 s, then bought anew`;
  },
};

export const post: Flow = {
  name: "POST with a body",
  claim: "a request body reaches the seller byte for byte after the payment",
  run: async (context) => {
    const agent = await context.agent();
    const body = JSON.stringify({ question: "how many sat?", answer: [21, 42] });
    const { result, settled } = await settlements(context.system, () =>
      agent.fetch("/report", { method: "POST", body, headers: { "content-type": "application/json" } }),
    );
    delivered(result, "paid");
    must(settled === 1, "exactly one payment must settle", settled);
    must(JSON.stringify(result.json?.["body"]) === body, "the seller must have got the body after the payment, byte for byte", result.text);
    return `${body.length} bytes sent again after paying ${inSats(result.lightning.spentMsat)}, echoed`;
  },
};

export const stream: Flow = {
  name: "SSE stream",
  claim: "a stream is passed on piece by piece",
  run: async (context) => {
    const agent = await context.agent();
    const answer = await agent.fetch("/stream", { headers: { accept: "text/event-stream" } });
    delivered(answer, "paid");
    must(answer.headers.get("content-type")?.startsWith("text/event-stream") === true, "the content type must come through");
    must((answer.text.match(/^data:/gmu)?.length ?? 0) >= 5, "all events must arrive", answer.text.length);
    must(answer.chunks > 1, "events must arrive one by one, not in one piece", answer.chunks);
    return `${answer.chunks} pieces over ${Math.round(answer.ms)} ms, passed on as they came`;
  },
};

export const free: Flow = {
  name: "free",
  claim: "an answer without a 402 is free, and never called cached",
  run: async (context) => {
    const agent = await context.emptyHanded();
    for (const answer of [await agent.fetch("/free"), await agent.fetch("/free")]) delivered(answer, "free", sats(0));
    return "200 without a 402: free both times, never cached";
  },
};

export const idempotent: Flow = {
  name: "Idempotency-Key",
  claim: "invariant 2: the same Idempotency-Key never pays twice, and another body under it is a conflict",
  run: async (context) => {
    const agent = await context.agent();
    const request = { method: "POST", body: '{"n":1}', idempotencyKey: "demo-1" };
    delivered(await agent.fetch("/report", request), "paid");
    const { result, settled } = await settlements(context.system, async () => ({
      again: await agent.fetch("/report", request),
      other: await agent.fetch("/report", { ...request, body: '{"n":2}' }),
    }));
    delivered(result.again, "cached", sats(0));
    must(
      result.other.status === 409 && result.other.code === "idempotency_conflict",
      "another body under the key must be refused",
      result.other.code,
    );
    must(settled === 0, "neither may pay", settled);
    return "same request: its own credential, 0 sat; another body: idempotency_conflict";
  },
};

async function receiptOf(context: FlowContext, walletId: string, receiptId: string | null): Promise<Readonly<Record<string, unknown>>> {
  const page = await context.operate("GET", `/v1/wallets/${walletId}/receipts`);
  const records = page["receipts"];
  const found = Array.isArray(records)
    ? (records as { receiptId?: unknown; receipt?: unknown }[]).find((record) => record.receiptId === receiptId)
    : undefined;
  must(
    typeof found?.receipt === "object" && found.receipt !== null,
    "the receipt named in the answer must be in the wallet's chain",
    receiptId,
  );
  return found.receipt as Record<string, unknown>;
}
