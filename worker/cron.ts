/**
 * The cron's round (invariant 4): every owner's wallets that the control plane knows to have open rows are woken. Their alarms should have
 * done it; this is for one that the platform dropped after its sixth failure. One owner or wallet that cannot be reached, or that never
 * answers, stops nobody else's.
 */
import type { ControlPlane, PlatformControl } from "../lightning/control-plane.ts";
import type { FlowPorts } from "./flow-types.ts";
import { MAIN_OWNER } from "./principal.ts";
import { within } from "./retry.ts";

export interface CronPorts {
  readonly platform: PlatformControl;
  readonly control: (owner: string) => Pick<ControlPlane, "walletsWithOpenRows">;
  readonly wake: (owner: string, walletId: string) => Promise<unknown>;
  readonly clock: FlowPorts["clock"];
}

export interface Round {
  readonly owners: number;
  readonly open: number;
  /** Owners and wallets that could not be reached; the next round tries again. */
  readonly failed: number;
}

const PAGE = 500;
/** All that an alarm asks others has ended by then; its object was armed when it was made, whether or not its answer comes. Milliseconds. */
const LONGEST = 30_000;
/** At once: each owner is a call to an object of his own, and a Worker may have six connections open. */
const TOGETHER = 16;

export async function wakeOpenWallets(ports: CronPorts): Promise<Round> {
  const round = { owners: 0, open: 0, failed: 0 };
  const inTime = async <T>(work: Promise<T>): Promise<T> => {
    const answer = await within(ports.clock, LONGEST, work);
    if (answer.kind === "late") throw new Error("no answer in time");
    return answer.value;
  };
  const visit = async (owner: string): Promise<void> => {
    round.owners += 1;
    try {
      const wallets = await inTime(ports.control(owner).walletsWithOpenRows());
      round.open += wallets.length;
      const woken = await Promise.allSettled(wallets.map((walletId) => inTime(ports.wake(owner, walletId))));
      round.failed += woken.filter(({ status }) => status === "rejected").length;
    } catch {
      round.failed += 1;
    }
  };
  // The platform's own owner needs no register: he was here before there was one.
  await visit(MAIN_OWNER);
  try {
    for await (const owners of pages(ports.platform, inTime)) {
      const others = owners.filter((owner) => owner !== MAIN_OWNER);
      for (let at = 0; at < others.length; at += TOGETHER) await Promise.all(others.slice(at, at + TOGETHER).map(visit));
    }
  } catch {
    round.failed += 1;
  }
  return round;
}

async function* pages(platform: PlatformControl, inTime: <T>(work: Promise<T>) => Promise<T>): AsyncGenerator<readonly string[]> {
  for (let after: string | null = null; ;) {
    const page: readonly string[] = await inTime(platform.owners({ after, limit: PAGE }));
    yield page;
    after = page.at(-1) ?? null;
    if (page.length < PAGE) return;
  }
}
