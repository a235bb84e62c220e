/**
 * Relative timelocks of a leaf's refund, in blocks. Every hop takes 100 off, so that the newest owner's refund is spendable first; at 100
 * or less the leaf must be renewed. Bit 30 of a sequence is a mark of the protocol and travels along.
 */
export const INITIAL_TIMELOCK = 2000;
const INTERVAL = 100;
const DIRECT_OFFSET = 50;
const HTLC_OFFSET = 70;
const DIRECT_HTLC_OFFSET = 85;
const MARK = 1 << 30;

/** Sequences of the refund with an anchor, and of the two without. */
export interface RefundSequences {
  readonly anchored: number;
  readonly direct: number;
}

export const blocks = (sequence: number): number => sequence & 0xffff;
const pair = (timelock: number, old: number, anchored: number, direct: number): RefundSequences => ({
  anchored: (old & MARK) | (timelock + anchored),
  direct: (old & MARK) | (timelock + direct),
});

/** @returns null when the timelock cannot be taken down any more */
function decremented(sequence: number): number | null {
  const timelock = blocks(sequence);
  return timelock < INTERVAL ? null : timelock - INTERVAL;
}

/** Refunds of a send: 100 below the present one. */
export function nextSequences(sequence: number): RefundSequences | null {
  const timelock = decremented(sequence);
  return timelock === null ? null : pair(timelock, sequence, 0, DIRECT_OFFSET);
}

/** Refunds of a send that is locked to a payment hash. */
export function nextHtlcSequences(sequence: number): RefundSequences | null {
  const timelock = decremented(sequence);
  return timelock === null ? null : pair(timelock, sequence, HTLC_OFFSET, DIRECT_HTLC_OFFSET);
}

/** Refunds of a claim: the sender's timelock, rounded down to a hundred. */
export function claimSequences(sequence: number): RefundSequences {
  const timelock = blocks(sequence);
  return pair(timelock - (timelock % INTERVAL), sequence, 0, DIRECT_OFFSET);
}

export const initialSequences: RefundSequences = { anchored: INITIAL_TIMELOCK, direct: INITIAL_TIMELOCK + DIRECT_OFFSET };
export const zeroSequences: RefundSequences = { anchored: 0, direct: DIRECT_OFFSET };
