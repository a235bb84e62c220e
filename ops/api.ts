/**
 * A client of the real HTTP API, as any operator or agent would write it: nothing here knows more than `/v1` shows.
 * Every answer may be handed to an observer, so that a test can search all that ever left the Worker for secrets.
 */

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON, or null when it is none. */
  readonly json: Readonly<Record<string, unknown>> | null;
  /** The purchase's outcome as the caller sees it. */
  readonly lightning: {
    readonly status: string | null;
    readonly purchase: string | null;
    readonly receipt: string | null;
    readonly spentMsat: number | null;
  };
  /** Stable code of a problem document, else null. */
  readonly code: string | null;
  /** How many pieces the body came in: a stream that is passed on comes in several. */
  readonly chunks: number;
  readonly ms: number;
}

export interface Call {
  readonly key?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Observer = (request: string, answer: ApiAnswer) => void;

export class Api {
  readonly url: string;
  readonly #observe: Observer;

  constructor(url: string, observe: Observer = () => undefined) {
    this.url = url.replace(/\/$/u, "");
    this.#observe = observe;
  }

  /** @throws Error with one line when the Worker cannot be reached; every HTTP status is an answer */
  async call(method: string, path: string, call: Call = {}): Promise<ApiAnswer> {
    const began = performance.now();
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(call.key === undefined ? {} : { authorization: `Bearer ${call.key}` }),
        ...(call.body === undefined ? {} : { "content-type": "application/json" }),
        ...call.headers,
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
    }).catch((cause: unknown) => {
      throw new Error(
        `${this.url} cannot be reached (${cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : "no answer"})`,
      );
    });
    const { text, chunks } = await read(response);
    const json = asObject(text);
    const spent = response.headers.get("lightning-spent-msat");
    const answer: ApiAnswer = {
      status: response.status,
      headers: response.headers,
      text,
      json,
      lightning: {
        status: response.headers.get("lightning-status"),
        purchase: response.headers.get("lightning-purchase"),
        receipt: response.headers.get("lightning-receipt"),
        spentMsat: spent === null ? null : Number(spent),
      },
      code:
        response.headers.get("content-type")?.startsWith("application/problem+json") === true && typeof json?.["code"] === "string"
          ? json["code"]
          : null,
      chunks,
      ms: performance.now() - began,
    };
    this.#observe(`${method} ${path}`, answer);
    return answer;
  }

  /** As `call`, but anything beyond 2xx is an error. @throws Error with method, path, status and code */
  async expect(method: string, path: string, call: Call = {}): Promise<Readonly<Record<string, unknown>>> {
    const answer = await this.call(method, path, call);
    if (answer.status < 200 || answer.status > 299 || answer.json === null) {
      throw new Error(
        `${method} ${path} answered ${answer.status} ${answer.code ?? ""} ${typeof answer.json?.["detail"] === "string" ? answer.json["detail"] : ""}`.trim(),
      );
    }
    return answer.json;
  }
}

async function read(response: Response): Promise<{ readonly text: string; readonly chunks: number }> {
  const decoder = new TextDecoder();
  let text = "";
  let chunks = 0;
  if (response.body === null) return { text, chunks };
  for await (const chunk of response.body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    chunks++;
  }
  return { text: text + decoder.decode(), chunks };
}

function asObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
