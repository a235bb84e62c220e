/**
 * What Linux tells of processes: who descends from whom, how much memory they hold, and, to the same user, what is in it. Elsewhere the
 * answers are empty or null, and the checks that want them are reported as not run.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

/** The process and all that descend from it; empty where /proc is not. */
export function processTree(root: number): readonly ProcessFacts[] {
  let all: readonly ProcessFacts[];
  try {
    all = readdirSync("/proc").flatMap((entry) => (/^\d+$/u.test(entry) ? (factsOf(Number(entry)) ?? []) : []));
  } catch {
    return [];
  }
  const found = all.filter(({ pid }) => pid === root);
  for (let index = 0; index < found.length; index++) found.push(...all.filter(({ parent }) => parent === found[index]?.pid));
  return found;
}

function factsOf(pid: number): ProcessFacts | null {
  try {
    // `pid (name) state parent …`; a name may hold blanks and brackets.
    const match = /^\d+ \((.*)\) \S (\d+)/su.exec(readFileSync(`/proc/${pid}/stat`, "utf8"));
    return match?.[1] === undefined ? null : { pid, name: match[1], parent: Number(match[2]) };
  } catch {
    return null;
  }
}

/** Resident set, bytes; null when the process is gone or the system does not tell. */
export function residentBytes(pid: number): number | null {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  } catch {
    return null;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie has ended, and only waits to be asked how.
    return !/^State:\s+Z/mu.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const PIECE = 8 * 1024 * 1024;
/** Longer than anything that is looked for, so that nothing hides on a seam. */
const OVERLAP = 4096;

/**
 * Hands every writable byte of a process to `look`, piece by piece. The process runs on meanwhile.
 * @returns how many bytes were read; null where it may not be read
 */
export function readMemory(pid: number, look: (piece: Buffer) => void): number | null {
  let maps: string;
  let memory: number;
  try {
    maps = readFileSync(`/proc/${pid}/maps`, "utf8");
    memory = openSync(`/proc/${pid}/mem`, "r");
  } catch {
    return null;
  }
  let total = 0;
  try {
    for (const line of maps.split("\n")) {
      const match = /^([0-9a-f]+)-([0-9a-f]+) rw/u.exec(line);
      if (match === null) continue;
      const end = Number.parseInt(match[2] ?? "0", 16);
      for (let from = Number.parseInt(match[1] ?? "0", 16); from < end; from += PIECE) {
        const piece = Buffer.allocUnsafe(Math.min(PIECE + OVERLAP, end - from));
        try {
          const read = readSync(memory, piece, 0, piece.byteLength, from);
          total += Math.min(read, PIECE);
          look(piece.subarray(0, read));
        } catch {
          // Reserved, but nothing is there, or it went away.
        }
      }
    }
  } finally {
    closeSync(memory);
  }
  return total === 0 ? null : total;
}
