/**
 * A small protobuf codec. A message is declared once as a table of fields with their numbers; its TypeScript types follow from the table.
 * Decoding gives proto3 defaults for what is absent and skips unknown fields; encoding leaves defaults out, as proto3 does.
 */

type Wire = 0 | 1 | 2 | 5;

export interface Field<Out, In> {
  readonly number: number;
  /** Value of an absent field. */
  initial(): Out;
  /** Takes one occurrence in. */
  merge(before: Out, wire: Wire, reader: Reader): Out;
  write(writer: Writer, value: In): void;
}
type Fields = Readonly<Record<string, Field<unknown, never>>>;
type OutOf<F> = F extends Field<infer Out, never> ? Out : never;
type InOf<F> = F extends { write(writer: Writer, value: infer In): void } ? In : never;

export type Decoded<F extends Fields> = { readonly [Name in keyof F]: OutOf<F[Name]> };
export type Encodable<F extends Fields> = { readonly [Name in keyof F]?: InOf<F[Name]> | undefined };

export interface Message<Out, In> {
  encode(value: In): Uint8Array;
  /** @throws Error on bytes that are no protobuf of this shape */
  decode(bytes: Uint8Array): Out;
}
/** What a message decodes to. */
export type Infer<M> = M extends Message<infer Out, never> ? Out : never;
/** What a message is encoded from. */
export type Input<M> = M extends { encode(value: infer In): Uint8Array } ? In : never;

class Writer {
  #bytes = new Uint8Array(256);
  #length = 0;

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
  varint(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    this.#reserve(10);
    for (; rest > 127n; rest >>= 7n) this.#bytes[this.#length++] = Number(rest & 127n) | 128;
    this.#bytes[this.#length++] = Number(rest);
  }
  key(number: number, wire: Wire): void {
    this.varint(number * 8 + wire);
  }
  lengthDelimited(number: number, bytes: Uint8Array): void {
    this.key(number, 2);
    this.varint(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }
  varint(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Error("protobuf is cut off");
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
    throw new Error("varint too long");
  }
  bytes(): Uint8Array {
    const length = this.varint();
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw new Error("protobuf is cut off");
    const slice = this.#bytes.slice(this.#at, end);
    this.#at = end;
    return slice;
  }
  skip(wire: Wire): void {
    if (wire === 0) this.varint();
    else if (wire === 2) this.bytes();
    else this.#at += wire === 1 ? 8 : 4;
    if (this.#at > this.#bytes.length) throw new Error("protobuf is cut off");
  }
}

function expectWire(found: Wire, expected: Wire): void {
  if (found !== expected) throw new Error("protobuf field of another type");
}

export function message<F extends Fields>(fields: F): Message<Decoded<F>, Encodable<F>> {
  const entries = Object.entries(fields);
  const byNumber = new Map(entries.map(([name, field]) => [field.number, { name, field }]));
  return {
    encode(value) {
      const writer = new Writer();
      const values: Readonly<Record<string, unknown>> = value;
      for (const [name, field] of entries) {
        const part = values[name];
        if (part !== undefined) field.write(writer, part as never);
      }
      return writer.finish();
    },
    decode(bytes) {
      const out: Record<string, unknown> = {};
      for (const [name, field] of entries) out[name] = field.initial();
      const reader = new Reader(bytes);
      while (!reader.done) {
        const key = reader.varint();
        const wire = key % 8;
        if (wire !== 0 && wire !== 1 && wire !== 2 && wire !== 5) throw new Error("unknown wire type");
        const entry = byNumber.get(Math.floor(key / 8));
        if (entry === undefined) reader.skip(wire);
        else out[entry.name] = entry.field.merge(out[entry.name], wire, reader);
      }
      return out as Decoded<F>;
    },
  };
}

function lengthDelimited<T>(
  number: number,
  read: (bytes: Uint8Array) => T,
  write: (value: T) => Uint8Array,
  initial: () => T,
): Field<T, T> {
  return {
    number,
    initial,
    merge: (_, wire, reader) => (expectWire(wire, 2), read(reader.bytes())),
    write(writer, value) {
      const encoded = write(value);
      if (encoded.length > 0) writer.lengthDelimited(number, encoded);
    },
  };
}

const encodeText = (text: string): Uint8Array => new TextEncoder().encode(text);
const decodeText = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);

export const text = (number: number): Field<string, string> => lengthDelimited(number, decodeText, encodeText, () => "");
export const bytes = (number: number): Field<Uint8Array, Uint8Array> =>
  lengthDelimited(
    number,
    (value) => value,
    (value) => value,
    () => new Uint8Array(0),
  );

/** int32, int64, uint32, uint64 and enums; exact up to 2^53. */
export const int = (number: number): Field<number, number> => ({
  number,
  initial: () => 0,
  merge: (_, wire, reader) => (expectWire(wire, 0), reader.varint()),
  write(writer, value) {
    if (value === 0) return;
    writer.key(number, 0);
    writer.varint(value);
  },
});

/** `optional` of an integer: 0 is told from absent. */
export const optionalInt = (number: number): Field<number | undefined, number> => ({
  number,
  initial: () => undefined,
  merge: (_, wire, reader) => (expectWire(wire, 0), reader.varint()),
  write(writer, value) {
    writer.key(number, 0);
    writer.varint(value);
  },
});

export const bool = (number: number): Field<boolean, boolean> => ({
  number,
  initial: () => false,
  merge: (_, wire, reader) => (expectWire(wire, 0), reader.varint() !== 0),
  write(writer, value) {
    if (!value) return;
    writer.key(number, 0);
    writer.varint(1);
  },
});

export const nested = <Out, In>(number: number, type: Message<Out, In>): Field<Out | undefined, In> => ({
  number,
  initial: () => undefined,
  merge: (_, wire, reader) => (expectWire(wire, 2), type.decode(reader.bytes())),
  write: (writer, value) => writer.lengthDelimited(number, type.encode(value)),
});

export const repeated = <Out, In>(number: number, type: Message<Out, In>): Field<readonly Out[], readonly In[]> => ({
  number,
  initial: () => [],
  merge: (before, wire, reader) => (expectWire(wire, 2), [...before, type.decode(reader.bytes())]),
  write(writer, values) {
    for (const value of values) writer.lengthDelimited(number, type.encode(value));
  },
});

export const repeatedText = (number: number): Field<readonly string[], readonly string[]> => ({
  number,
  initial: () => [],
  merge: (before, wire, reader) => (expectWire(wire, 2), [...before, decodeText(reader.bytes())]),
  write(writer, values) {
    for (const value of values) writer.lengthDelimited(number, encodeText(value));
  },
});

export const repeatedBytes = (number: number): Field<readonly Uint8Array[], readonly Uint8Array[]> => ({
  number,
  initial: () => [],
  merge: (before, wire, reader) => (expectWire(wire, 2), [...before, reader.bytes()]),
  write(writer, values) {
    for (const value of values) writer.lengthDelimited(number, value);
  },
});

/** Integers, packed or one by one. */
export const repeatedInt = (number: number): Field<readonly number[], readonly number[]> => ({
  number,
  initial: () => [],
  merge(before, wire, reader) {
    if (wire === 0) return [...before, reader.varint()];
    expectWire(wire, 2);
    const packed = new Reader(reader.bytes());
    const values = [...before];
    while (!packed.done) values.push(packed.varint());
    return values;
  },
  write(writer, values) {
    for (const value of values) {
      writer.key(number, 0);
      writer.varint(value);
    }
  },
});

export type MapOf<T> = ReadonlyMap<string, T>;

/** map<string, message>. */
export const mapOf = <Out, In>(number: number, type: Message<Out, In>): Field<MapOf<Out>, MapOf<In>> => {
  const entry = message({ key: text(1), value: bytes(2) });
  return {
    number,
    initial: () => new Map(),
    merge(before, wire, reader) {
      expectWire(wire, 2);
      const { key, value } = entry.decode(reader.bytes());
      return new Map([...before, [key, type.decode(value)]]);
    },
    write(writer, values) {
      for (const [key, value] of values) writer.lengthDelimited(number, entry.encode({ key, value: type.encode(value) }));
    },
  };
};

/** map<string, bytes>. */
export const mapOfBytes = (number: number): Field<MapOf<Uint8Array>, MapOf<Uint8Array>> =>
  mapOf<Uint8Array, Uint8Array>(number, { encode: (value) => value, decode: (value) => value });
