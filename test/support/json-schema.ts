/**
 * JSON Schema 2020-12 as far as our OpenAPI document uses it, written apart from the generator, so that the two can be held against each
 * other. A keyword it does not know is an error: what is not checked must not look checked.
 */
type Schema = Readonly<Record<string, unknown>>;

export interface Checking {
  /** What `#/…` leads into. */
  readonly document: unknown;
  /** Also refuse members that `properties` does not name: to find answers that say more than their description. */
  readonly closed: boolean;
}

const ANNOTATIONS = new Set(["description", "format", "title", "examples"]);
const KNOWN = new Set([
  ...ANNOTATIONS,
  "$ref",
  "type",
  "enum",
  "const",
  "anyOf",
  "oneOf",
  "allOf",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "prefixItems",
  "minItems",
  "maxItems",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "pattern",
]);

/** @returns where and why the value does not fit, or null @throws Error for a schema that this cannot check */
export function schemaFault(schema: unknown, value: unknown, checking: Checking, at = "$"): string | null {
  if (schema === true) return null;
  if (!isObject(schema)) throw new Error(`${at}: not a schema`);
  const unknown = Object.keys(schema).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw new Error(`${at}: the keyword ${unknown} is not known here`);
  const { $ref, anyOf, oneOf, allOf } = schema;
  if (typeof $ref === "string") return schemaFault(lookUp(checking.document, $ref), value, checking, at);
  for (const all of (allOf as readonly unknown[] | undefined) ?? []) {
    const fault = schemaFault(all, value, checking, at);
    if (fault !== null) return fault;
  }
  const choices = (anyOf ?? oneOf) as readonly unknown[] | undefined;
  if (choices !== undefined) {
    const faults = choices.map((choice) => schemaFault(choice, value, checking, at));
    const fits = faults.filter((fault) => fault === null).length;
    if (fits === 0 || (oneOf !== undefined && fits > 1))
      return `${at}: fits ${fits} of ${choices.length} choices (${faults.filter((fault) => fault !== null).join("; ")})`;
  }
  return simpleFault(schema, value, at) ?? objectFault(schema, value, checking, at) ?? arrayFault(schema, value, checking, at);
}

function simpleFault(schema: Schema, value: unknown, at: string): string | null {
  const { type, minimum, maximum, minLength, maxLength, pattern } = schema;
  if (type !== undefined && !isOfType(value, type)) return `${at}: not ${String(type)}`;
  if (Array.isArray(schema["enum"]) && !schema["enum"].includes(value)) return `${at}: not one of ${schema["enum"].length} words`;
  if ("const" in schema && schema["const"] !== value) return `${at}: not ${String(schema["const"])}`;
  if (typeof value === "number" && ((typeof minimum === "number" && value < minimum) || (typeof maximum === "number" && value > maximum)))
    return `${at}: out of range`;
  if (typeof value === "string") {
    const length = [...value].length;
    if ((typeof minLength === "number" && length < minLength) || (typeof maxLength === "number" && length > maxLength))
      return `${at}: length ${length}`;
    if (typeof pattern === "string" && !new RegExp(pattern, "u").test(value)) return `${at}: does not match ${pattern}`;
  }
  return null;
}

function objectFault(schema: Schema, value: unknown, checking: Checking, at: string): string | null {
  if (!isObject(value)) return null;
  const properties = (schema["properties"] ?? {}) as Readonly<Record<string, unknown>>;
  for (const name of (schema["required"] as readonly string[] | undefined) ?? [])
    if (!Object.hasOwn(value, name)) return `${at}.${name}: missing`;
  const { additionalProperties } = schema;
  for (const [name, member] of Object.entries(value)) {
    const own = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    if (own === false || (own === undefined && checking.closed && schema["properties"] !== undefined))
      return `${at}.${name}: not described`;
    if (own === undefined) continue;
    const fault = schemaFault(own, member, checking, `${at}.${name}`);
    if (fault !== null) return fault;
  }
  return null;
}

function arrayFault(schema: Schema, value: unknown, checking: Checking, at: string): string | null {
  if (!Array.isArray(value)) return null;
  const { items, minItems, maxItems } = schema;
  if ((typeof maxItems === "number" && value.length > maxItems) || (typeof minItems === "number" && value.length < minItems))
    return `${at}: ${value.length} items`;
  for (const [index, item] of value.entries()) {
    const fault = items === undefined ? null : schemaFault(items, item, checking, `${at}[${index}]`);
    if (fault !== null) return fault;
  }
  return null;
}

function isOfType(value: unknown, type: unknown): boolean {
  switch (type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "null":
      return value === null;
    case "integer":
      return Number.isInteger(value);
    case "number":
    case "string":
    case "boolean":
      return typeof value === type;
    default:
      throw new Error(`the type ${String(type)} is not known here`);
  }
}

/** @throws Error when a reference leads nowhere */
export function lookUp(document: unknown, ref: string): unknown {
  let found = document;
  for (const step of ref.replace(/^#\//u, "").split("/"))
    found = isObject(found) ? found[step.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined;
  if (found === undefined) throw new Error(`${ref} leads nowhere`);
  return found;
}

const isObject = (value: unknown): value is Schema => typeof value === "object" && value !== null && !Array.isArray(value);
