/** RFC 8785 canonical JSON, for the values we hash: strings, safe integers, booleans, null, arrays and plain objects. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * Numbers other than safe integers are refused: ECMAScript's number serialisation is what RFC 8785 prescribes, but our facts
 * have no business with fractions, and a lone surrogate has no UTF-8 form.
 * @throws TypeError for a value that has no canonical form
 */
export function canonicalJson(value: Json): string {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new TypeError("lone surrogate in canonical JSON");
      return JSON.stringify(value);
    case "number":
      if (!Number.isSafeInteger(value)) throw new TypeError("not a safe integer in canonical JSON");
      return String(value === 0 ? 0 : value);
    case "boolean":
      return value ? "true" : "false";
    case "object": {
      if (value === null) return "null";
      if (isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
      // UTF-16 code unit order is both what `sort` does without a comparator and what section 3.2.3 asks for.
      const members = Object.keys(value)
        .sort()
        .map((key) => {
          const member = value[key];
          if (member === undefined) throw new TypeError(`undefined member "${key}" in canonical JSON`);
          return `${canonicalJson(key)}:${canonicalJson(member)}`;
        });
      return `{${members.join(",")}}`;
    }
    default:
      throw new TypeError(`no canonical JSON for ${typeof value}`);
  }
}

const isArray = (value: Json): value is readonly Json[] => Array.isArray(value);
