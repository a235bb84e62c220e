/** Those who approve: they look when they are told, or by chance; they say yes, no or nothing, some of them twice, some by a link. */
import type { ApprovalView, Verdict } from "../../lightning/approval.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { Result } from "../../lightning/wallet-admin.ts";
import { Violation } from "./scheduler.ts";
import { insist, rpc } from "./wire.ts";
import type { World } from "./world.ts";

export interface Grant {
  readonly purchaseId: string;
  /** By the person's own word, not by the journal's. */
  readonly maxMsat: number;
  readonly expiresAt: number;
  usedBy: string | null;
}

export class People {
  /** What somebody has said yes to, whether or not he heard that it was heard. */
  readonly approved = new Map<string, Grant>();
  readonly #rejected = new Set<string>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** An agent was told that somebody has to be asked. */
  told(): void {
    const { scheduler } = this.#world;
    scheduler.after(
      scheduler.choice.delay(300_000),
      "somebody looks at approvals",
      () => void this.#look().catch((error: unknown) => scheduler.fail(error)),
    );
  }

  async #look(): Promise<void> {
    const { choice } = this.#world.scheduler;
    const listed = await insist(this.#world, "approvals", (core) => core.approvals("pending"));
    if (listed?.ok !== true) return;
    for (const view of listed.value) {
      if (choice.oneIn(5)) continue;
      const verdict: Verdict = choice.oneIn(3) ? "reject" : "approve";
      const said = choice.oneIn(3)
        ? this.#byLink(view, verdict)
        : this.#decide(view, verdict, choice.oneIn(4) ? (Math.floor(view.maxMsat * 0.8) as Msat) : null);
      // The button twice, or a colleague who thinks otherwise.
      if (choice.oneIn(3)) await Promise.all([said, this.#decide(view, choice.oneIn(2) ? verdict : "approve", null)]);
      else await said;
    }
  }

  async #decide(view: ApprovalView, verdict: Verdict, maxMsat: Msat | null): Promise<void> {
    const answer = await insist(
      this.#world,
      "decide",
      (core) => core.decideApproval(view.approvalId, verdict, "somebody", maxMsat),
      (heard) => this.#heard(view, maxMsat ?? view.maxMsat, heard),
    );
    this.#confirmed(answer);
  }

  async #byLink(view: ApprovalView, verdict: Verdict): Promise<void> {
    const link = await insist(this.#world, "link", (core) => core.approvalLink(view.approvalId));
    if (link?.ok !== true) return;
    const { choice } = this.#world.scheduler;
    // A link that was meddled with opens nothing.
    const forged = choice.oneIn(4);
    const given = forged ? { ...link.value, mac: link.value.mac.replace(/^./u, (digit) => (digit === "0" ? "1" : "0")) } : link.value;
    const answer = await rpc(
      this.#world,
      "decide by link",
      (core) => core.decideByLink(given, verdict),
      (heard) => {
        if (forged && heard.ok) throw this.#broken("invariant 18: a forged link decided");
        this.#heard(view, view.maxMsat, heard);
      },
    ).catch(() => null);
    this.#confirmed(answer);
  }

  #heard(view: ApprovalView, maxMsat: number, answer: Result<ApprovalView>): void {
    if (!answer.ok) return;
    const { scheduler, object } = this.#world;
    // The journal's clock is never behind the host's.
    if (view.expiresAt <= scheduler.now + object.clockOffset)
      throw this.#broken("invariant 18: a question was answered after it had expired");
    if (answer.value.state !== "granted") return;
    if (this.#rejected.has(view.approvalId)) throw this.#broken("invariant 18: rejected first and granted afterwards");
    const before = this.approved.get(view.approvalId);
    this.approved.set(view.approvalId, {
      purchaseId: view.approvalId.slice("appr_".length),
      maxMsat,
      expiresAt: answer.value.expiresAt,
      usedBy: before?.usedBy ?? null,
    });
  }

  /** A rejection counts from when somebody has been told of it: before that the turn may still be lost. */
  #confirmed(answer: Result<ApprovalView> | null): void {
    if (answer?.ok === true && answer.value.state === "rejected") this.#rejected.add(answer.value.approvalId);
  }

  #broken(what: string): Violation {
    const violation = new Violation(what);
    this.#world.scheduler.fail(violation);
    return violation;
  }
}
