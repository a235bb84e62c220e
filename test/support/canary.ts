/**
 * The canary scan of invariant 9: looks for secrets in bytes, in every form in which one could slip through: as text, as the bytes the text
 * stands for, in hex, and in base64 at each of the three alignments that a longer text around it can give.
 */

export interface Secret {
  readonly name: string;
  readonly text: string;
}

/** The forms to look for. */
export function formsOf(text: string): readonly Buffer[] {
  const asText = Buffer.from(text);
  const bodies = [asText];
  if (/^(?:[0-9a-f]{2}){16,}$/u.test(text)) bodies.push(Buffer.from(text, "hex"));
  else if (/^[A-Za-z0-9+/_-]{40,}={0,2}$/u.test(text)) bodies.push(Buffer.from(text, "base64"));
  const forms = new Map<string, Buffer>();
  for (const body of bodies) {
    for (const form of [body, Buffer.from(body.toString("hex")), Buffer.from(body.toString("hex").toUpperCase()), ...base64Forms(body)])
      forms.set(form.toString("latin1"), form);
  }
  return [...forms.values()];
}

/**
 * Names of the secrets found, each once. One pass whatever their number: every position's next four bytes are looked up among the forms'
 * first four, by way of a small filter that turns nearly all of them away.
 */
export function scan(haystack: Buffer, secrets: readonly Secret[]): readonly string[] {
  const candidates = new Map<number, { readonly form: Buffer; readonly secret: Secret }[]>();
  const filter = new Uint8Array(1 << FILTER_BITS);
  for (const secret of secrets) {
    for (const form of formsOf(secret.text)) {
      if (form.length < SHORTEST_FORM) throw new Error(`${secret.name} is too short to be told from chance`);
      const head = form.readUInt32LE(0);
      filter[slot(head)] = 1;
      candidates.set(head, [...(candidates.get(head) ?? []), { form, secret }]);
    }
  }
  const found = new Set<Secret>();
  for (let at = 0; at + 4 <= haystack.length; at++) {
    const head = haystack.readUInt32LE(at);
    if (filter[slot(head)] !== 1) continue;
    for (const { form, secret } of candidates.get(head) ?? []) if (haystack.subarray(at, at + form.length).equals(form)) found.add(secret);
  }
  return secrets.filter((secret) => found.has(secret)).map(({ name }) => name);
}

const FILTER_BITS = 20;
/** Bytes. */
const SHORTEST_FORM = 12;
/** Fibonacci hashing: the top bits of a product with 2^32 divided by the golden ratio. */
const slot = (head: number): number => Math.imul(head, 0x9e3779b1) >>> (32 - FILTER_BITS);

/** At offset n the first and the last characters mix with their neighbours' bits: only those between are the secret's own. */
function base64Forms(body: Buffer): readonly Buffer[] {
  return [0, 1, 2].flatMap((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), body]).toString("base64url");
    const own = encoded.slice(offset === 0 ? 0 : offset + 1, encoded.length - ((offset + body.length) % 3 === 0 ? 0 : 1));
    return [Buffer.from(own), Buffer.from(own.replaceAll("-", "+").replaceAll("_", "/"))];
  });
}
