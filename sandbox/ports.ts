/** Time and randomness of the sandbox, as parameters: the cores here never read a clock or a generator of their own. */
import { createHmac, randomBytes } from "node:crypto";

export interface SandboxPorts {
  /** Epoch milliseconds. */
  now(): number;
  random(bytes: number): Uint8Array;
  /** Calls `fire` once after `ms`. @returns a function that cancels it */
  timer(ms: number, fire: () => void): () => void;
}

/** The machine's own clock and randomness. A timer does not keep the process alive. */
export function realPorts(random: SandboxPorts["random"] = pooledRandom()): SandboxPorts {
  return {
    now: () => Date.now(),
    random,
    timer: (ms, fire) => {
      const handle = setTimeout(fire, ms);
      handle.unref();
      return () => clearTimeout(handle);
    },
  };
}

/** Real randomness, fetched in blocks: a system call for every 32 bytes would be a tenth of the cost of a 402. No byte is given out twice. */
function pooledRandom(): SandboxPorts["random"] {
  let pool = new Uint8Array(0);
  return (bytes) => {
    if (bytes > pool.byteLength) pool = new Uint8Array(randomBytes(Math.max(8192, bytes)));
    const out = pool.slice(0, bytes);
    pool = pool.subarray(bytes);
    return out;
  };
}

/** A generator that gives the same bytes for the same seed in every process: HMAC-SHA256 in counter mode. */
export function seededRandom(seed: string): SandboxPorts["random"] {
  let counter = 0;
  return (bytes) => {
    const out = new Uint8Array(bytes);
    for (let offset = 0; offset < bytes; offset += 32) {
      const block = createHmac("sha256", seed).update(String(counter++)).digest();
      out.set(block.subarray(0, Math.min(32, bytes - offset)), offset);
    }
    return out;
  };
}
