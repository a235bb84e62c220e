/**
 * Looks for a wallet's secrets in the memory of workerd itself: as bytes, as text, and as text of two bytes a letter, as V8 keeps some. A
 * control must be found in the same pass, or the pass proves nothing.
 */
import { readMemory } from "./processes.ts";

export interface HeapFinding {
  readonly bytesRead: number;
  /** Names of what was found, each once. */
  readonly found: readonly string[];
  readonly controlSeen: boolean;
}

export interface Needle {
  readonly name: string;
  readonly bytes: Buffer;
}

export function needlesOf(name: string, text: string): readonly Needle[] {
  const bodies = [Buffer.from(text), Buffer.from(text, "utf16le")];
  if (/^(?:[0-9a-f]{2}){16,}$/u.test(text)) bodies.push(Buffer.from(text, "hex"));
  return bodies.map((bytes) => ({ name, bytes }));
}

/** @param control text that is surely there @returns null where the memory may not be read */
export function searchHeap(pids: readonly number[], needles: readonly Needle[], control: string): HeapFinding | null {
  const controls = needlesOf("control", control);
  const found = new Set<string>();
  let controlSeen = false;
  let bytesRead = 0;
  for (const pid of pids) {
    const read = readMemory(pid, (piece) => {
      for (const { name, bytes } of needles) if (!found.has(name) && piece.includes(bytes)) found.add(name);
      controlSeen ||= controls.some(({ bytes }) => piece.includes(bytes));
    });
    if (read === null) return null;
    bytesRead += read;
  }
  return bytesRead === 0 ? null : { bytesRead, found: [...found].toSorted(), controlSeen };
}
