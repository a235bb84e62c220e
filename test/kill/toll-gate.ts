/**
 * Stands between the Worker and the outside world and can hold a message at the wanted moment: before it arrives ("going"), or its answer
 * ("coming"). That is how a test knows which row the Wallet has just written: an object's message leaves only after its rows are durable.
 * A held message outlives its sender: let go after the sender was killed, it arrives all the same, as one on a network would.
 */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

export interface Message {
  readonly method: string;
  readonly path: string;
  /** An L402 or LSAT credential came with it. */
  readonly paid: boolean;
  readonly body: string;
}

export interface Held {
  readonly message: Message;
  /** Goes on its way, whether or not anybody still waits for it. */
  letGo(): void;
  /** Is lost, and its sender sees a broken connection. */
  drop(): void;
}

type When = "going" | "coming";
type Verdict = "go" | "drop";
type Fits = (message: Message) => boolean;

export interface TollGate {
  readonly url: string;
  /** Resolves with the first message from now on that fits; it goes no further until it is told to. */
  hold(when: When, fits: Fits): Promise<Held>;
  /** Called for every message before anything else; what it returns happens to the message. */
  onMessage: (message: Message) => Verdict;
  /** Resolves when the next message that fits has come in; it is not held. */
  next(fits: Fits): Promise<void>;
  close(): Promise<void>;
}

interface Order {
  readonly when: When;
  readonly fits: Fits;
  readonly take: (held: Held) => void;
}

/** @param target origin of the real thing */
export async function tollGate(target: string): Promise<TollGate> {
  const to = new URL(target);
  const orders: Order[] = [];
  const watchers: { readonly fits: Fits; readonly tell: () => void }[] = [];

  function stopped(when: When, message: Message): Promise<Verdict> {
    const index = orders.findIndex((order) => order.when === when && order.fits(message));
    const [order] = index < 0 ? [] : orders.splice(index, 1);
    if (order === undefined) return Promise.resolve("go");
    return new Promise((resolve) => order.take({ message, letGo: () => resolve("go"), drop: () => resolve("drop") }));
  }

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(request);
    const message: Message = {
      method: request.method ?? "GET",
      path: request.url ?? "/",
      paid: /^(?:L402|LSAT) /u.test(request.headers.authorization ?? ""),
      body: body.toString(),
    };
    for (const watcher of watchers.filter(({ fits }) => fits(message))) {
      watchers.splice(watchers.indexOf(watcher), 1);
      watcher.tell();
    }
    if (gate.onMessage(message) === "drop" || (await stopped("going", message)) === "drop") {
      response.destroy();
      return;
    }
    const onward = httpRequest({
      host: to.hostname,
      port: to.port,
      method: message.method,
      path: message.path,
      headers: { ...request.headers, host: to.host },
    });
    onward.end(body);
    const [answer] = (await once(onward, "response")) as [IncomingMessage];
    const text = await readAll(answer);
    if ((await stopped("coming", message)) === "drop" || response.destroyed) {
      response.destroy();
      return;
    }
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders).end(text);
  }

  const server = createServer({ noDelay: true }, (request, response) => {
    // A sender that was killed, or a target that broke off: either way nothing is left to say.
    pass(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const gate: TollGate = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold: (when, fits) => new Promise((take) => orders.push({ when, fits, take })),
    onMessage: () => "go",
    next: (fits) => new Promise((tell) => watchers.push({ fits, tell })),
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return gate;
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
