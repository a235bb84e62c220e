/**
 * gRPC-web framing: one flag byte, four bytes of length, the message. What the SDK's client (tonic-web-wasm-client 0.6.2) makes of an error
 * depends on where the status stands, measured: as HTTP headers with an empty body it is understood; as a trailer frame alone it is reported as
 * `Internal "Missing response message."`; as a trailer after a message it is ignored.
 */
import type { GrpcError } from "./operators-port.ts";

const HEADER = 5;
const DATA = 0x00;
const TRAILER = 0x80;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
}

/** The message of a unary request. @returns null when the frame is broken, compressed or not alone */
export function readFrame(body: Uint8Array): Uint8Array | null {
  if (body.byteLength < HEADER || body[0] !== DATA) return null;
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  return body.byteLength === HEADER + length ? body.subarray(HEADER) : null;
}

export function grpcOk(message: Uint8Array): HttpAnswer {
  const trailer = new TextEncoder().encode("grpc-status:0\r\n");
  const body = new Uint8Array(2 * HEADER + message.byteLength + trailer.byteLength);
  writeFrame(body, 0, DATA, message);
  writeFrame(body, HEADER + message.byteLength, TRAILER, trailer);
  return { status: 200, headers: { "content-type": "application/grpc-web+proto" }, body };
}

export function grpcFailure({ code, message }: Pick<GrpcError, "code" | "message">): HttpAnswer {
  return {
    status: 200,
    headers: { "content-type": "application/grpc-web+proto", "grpc-status": String(code), "grpc-message": encodeURIComponent(message) },
    body: new Uint8Array(0),
  };
}

function writeFrame(into: Uint8Array, at: number, flag: number, payload: Uint8Array): void {
  into[at] = flag;
  new DataView(into.buffer, into.byteOffset).setUint32(at + 1, payload.byteLength);
  into.set(payload, at + HEADER);
}
