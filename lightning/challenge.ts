/**
 * RFC 9110 section 11.6.1: `WWW-Authenticate` is a list of challenges, and `Headers.get` joins all its lines with ", ". The comma between two
 * challenges and the one between two parameters look the same, so that a regular expression mixes sellers' offers up; this reads the grammar.
 * One pass, each character looked at a bounded number of times: linear on hostile input.
 * One leniency: a bare (unquoted) value may hold "/" and end in "=", since sellers write base64 bare and nothing else can be meant.
 */

export interface Challenge {
  /** As written: schemes are compared without case. */
  readonly scheme: string;
  /** Lower-cased names; of a repeated name that bears no money the first value. */
  readonly params: ReadonlyMap<string, string>;
  readonly token68?: string;
}

export type ChallengesResult =
  | { readonly ok: true; readonly challenges: readonly Challenge[] }
  /** `detail` never quotes the header. */
  | {
      readonly ok: false;
      readonly code: "challenge_malformed" | "challenge_too_large" | "challenge_missing" | "challenge_conflict";
      readonly detail: string;
    };

/** Characters, which are bytes in a header. */
export const MAX_CHALLENGE_LENGTH = 65_536;
/** Repeated within one L402 challenge these would leave open what is paid, and for what. */
const MONEY_BEARING: ReadonlySet<string> = new Set(["macaroon", "token", "invoice", "version"]);

// RFC 9110: token (5.6.2), token68 (11.2), qdtext and quoted-pair (5.6.4). Sticky: each match starts where the last one ended.
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/uy;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*/uy;
const BARE_VALUE = /[!#$%&'*+\-.^_`|~0-9A-Za-z/]+=*/uy;
const QUOTED = /"((?:[\t !#-[\]-~\u0080-\u{10ffff}]|\\[\t -~\u0080-\u{10ffff}])*)"/uy;
const SPACES = /[ \t]+/uy;

/** Is this the scheme of an offer we may pay? LSAT is the older name of L402. */
export function isL402(scheme: string): boolean {
  const upper = scheme.toUpperCase();
  return upper === "L402" || upper === "LSAT";
}

/**
 * Parses a joined `WWW-Authenticate` value. Never throws.
 * @param header several header lines are joined with ", " first, as `Headers.get` does
 */
export function parseChallenges(header: string): ChallengesResult {
  if (header.length > MAX_CHALLENGE_LENGTH)
    return refuse("challenge_too_large", `the challenge is longer than ${MAX_CHALLENGE_LENGTH} characters`);
  const cursor = new Cursor(header);
  const challenges: Challenge[] = [];
  let params: Map<string, string> | null = null; // of the last challenge, as long as it may take more
  for (;;) {
    while (cursor.spaces() || cursor.take(",")); // empty list elements are legal
    if (cursor.atEnd) break;
    const param = readParam(cursor);
    if (param !== null) {
      if (params === null) return refuse("challenge_malformed", "a parameter stands outside of a challenge");
      if (!keep(params, challenges.at(-1)?.scheme ?? "", param)) return duplicate(param.name);
    } else {
      const scheme = cursor.match(TOKEN);
      if (scheme === null) return refuse("challenge_malformed", "a scheme or a parameter was expected");
      params = new Map();
      const spaced = cursor.spaces();
      if (!cursor.atElementEnd) {
        if (!spaced) return refuse("challenge_malformed", "a character stands where none may");
        const first = readParam(cursor);
        const token68 = first === null ? cursor.match(TOKEN68) : null;
        if (first === null && token68 === null) return refuse("challenge_malformed", "neither a parameter nor a token follows a scheme");
        if (first !== null) params.set(first.name, first.value);
        challenges.push(token68 === null ? { scheme, params } : { scheme, params, token68 });
        if (token68 !== null) params = null;
      } else challenges.push({ scheme, params });
    }
    cursor.spaces();
    if (!cursor.atElementEnd) return refuse("challenge_malformed", "a list element does not end where it should");
  }
  if (challenges.length === 0) return refuse("challenge_missing", "there is no challenge");
  for (const { scheme, params: given } of challenges) {
    const macaroon = given.get("macaroon");
    const token = given.get("token");
    if (isL402(scheme) && macaroon !== undefined && token !== undefined && macaroon !== token) {
      return refuse("challenge_conflict", "one challenge carries a macaroon and another token");
    }
  }
  return { ok: true, challenges };
}

interface Param {
  readonly name: string;
  readonly value: string;
}

/** A whole `name BWS "=" BWS value` that ends its list element; null, and the cursor where it was, for anything else. */
function readParam(cursor: Cursor): Param | null {
  const start = cursor.at;
  const name = cursor.match(TOKEN);
  if (name !== null) {
    cursor.spaces();
    if (cursor.take("=")) {
      cursor.spaces();
      const value = cursor.quoted() ?? cursor.match(BARE_VALUE);
      if (value !== null) {
        cursor.spaces();
        if (cursor.atElementEnd) return { name: name.toLowerCase(), value };
      }
    }
  }
  cursor.at = start;
  return null;
}

/** false for a repeated name that bears money. */
function keep(params: Map<string, string>, scheme: string, { name, value }: Param): boolean {
  if (!params.has(name)) params.set(name, value);
  else if (isL402(scheme) && MONEY_BEARING.has(name)) return false;
  return true;
}

class Cursor {
  at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.at >= this.#text.length;
  }

  get atElementEnd(): boolean {
    return this.atEnd || this.#text[this.at] === ",";
  }

  take(character: string): boolean {
    if (this.#text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  spaces(): boolean {
    return this.match(SPACES) !== null;
  }

  match(pattern: RegExp): string | null {
    return this.#exec(pattern)?.[0] ?? null;
  }

  /** The content of a quoted-string, unescaped. */
  quoted(): string | null {
    const inner = this.#exec(QUOTED)?.[1];
    if (inner === undefined) return null;
    return inner.includes("\\") ? inner.replace(/\\(.)/gsu, "$1") : inner;
  }

  #exec(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.at = pattern.lastIndex;
    return found;
  }
}

function duplicate(name: string): ChallengesResult {
  return refuse("challenge_conflict", `the parameter ${name} stands twice in one challenge`);
}

function refuse(code: Extract<ChallengesResult, { ok: false }>["code"], detail: string): ChallengesResult {
  return { ok: false, code, detail };
}
