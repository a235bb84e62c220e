/**
 * The sandbox's seller, executor and node for Workers that run inside vitest: every outbound request of theirs ends here, in Node, and a test
 * inside the engine speaks with it by `fetch` too (`https://outside.example`). A message can be held at the border. It lives out here because a
 * promise that an aborted object waits for must not belong to the engine: letting go of it there brings workerd down.
 */
import { Response, type Request } from "miniflare";
import type { Msat } from "../../lightning/msat.ts";
import { sats } from "../../lightning/msat.ts";
import type { OperationRef, PaymentOrder } from "../../lightning/payer.ts";
import { createExecutor } from "../../sandbox/executor.ts";
import { isFaultKind } from "../../sandbox/faults.ts";
import { createGateway } from "../../sandbox/gateway.ts";
import { SimulatedNode } from "../../sandbox/node.ts";
import { realPorts } from "../../sandbox/ports.ts";

interface Hold {
  readonly arrived: Promise<void>;
  readonly tell: () => void;
  readonly gone: Promise<void>;
  readonly letGo: () => void;
}

/** Answers for `https://seller.example`, `https://executor.example` and, to a test, `https://outside.example`. */
export function outside(): (request: Request) => Promise<Response> {
  const ports = realPorts();
  const node = new SimulatedNode(ports, {
    network: "mainnet",
    balanceMsat: sats(100_000_000),
    feeBaseMsat: 100 as Msat,
    signInvoices: false,
  });
  const gateway = createGateway(node, ports);
  const executor = createExecutor(node, ports);
  const holds = new Map<string, Hold>();

  async function crossed(border: string): Promise<void> {
    const hold = holds.get(border);
    hold?.tell();
    await hold?.gone;
  }

  async function seller(request: Request, url: URL): Promise<Response> {
    await crossed(request.headers.has("authorization") ? "seller_paid" : "seller");
    const headers = [...request.headers].map(([name, value]): [string, string] => [name, value]);
    const answer = await gateway.handle({
      method: request.method,
      url: url.pathname + url.search,
      headers,
      body: new Uint8Array(await request.arrayBuffer()),
      remoteAddress: "127.0.0.1",
    });
    if (!(answer.body instanceof Uint8Array)) throw new TypeError("no streams here");
    return new Response(Uint8Array.from(answer.body), {
      status: answer.status,
      headers: answer.headers.map(([name, value]): [string, string] => [name, value]),
    });
  }

  async function payer(request: Request, url: URL): Promise<Response> {
    const body: unknown = await request.json();
    const pays = url.pathname === "/v1/pay";
    await crossed(pays ? "pay" : "lookup");
    const outcome = pays ? await executor.pay(body as PaymentOrder) : await executor.lookup(body as OperationRef);
    return Response.json({ ...outcome, operationId: (body as OperationRef).operationId });
  }

  /** `/hold/<border>`, `/arrived/<border>` (answers when something has), `/let-go/<border>`, `/fault/<kind>`, `/release`, `/ledger` */
  async function control(path: string): Promise<Response> {
    const [what = "", which = ""] = path.slice(1).split("/");
    switch (what) {
      case "hold":
        holds.set(which, newHold());
        break;
      case "arrived":
        await holds.get(which)?.arrived;
        break;
      case "let-go":
        holds.get(which)?.letGo();
        holds.delete(which);
        break;
      case "fault":
        if (isFaultKind(which)) node.faults.forNext({ kind: which });
        break;
      case "release":
        node.release(null);
        break;
      case "ledger":
        return Response.json(node.ledger());
      default:
        return new Response(null, { status: 404 });
    }
    return Response.json({ ok: true });
  }

  return (request) => {
    const url = new URL(request.url);
    switch (url.hostname) {
      case "executor.example":
        return payer(request, url);
      case "outside.example":
        return control(url.pathname);
      default:
        return seller(request, url);
    }
  };
}

function newHold(): Hold {
  let [tell, letGo] = [(): void => {}, (): void => {}];
  const arrived = new Promise<void>((resolve) => (tell = resolve));
  const gone = new Promise<void>((resolve) => (letGo = resolve));
  return { arrived, tell, gone, letGo };
}
