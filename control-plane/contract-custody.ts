/** The control plane contract's part about envelopes and spenders: a part of {@link controlPlaneContract}, in a file of its own. */
import { describe, expect, it } from "vitest";
import type { ControlPlane } from "../lightning/control-plane.ts";
import type { Envelope } from "../lightning/envelope.ts";

interface Held {
  readonly owner: string;
  readonly control: ControlPlane;
  readonly envelope: Envelope;
  readonly stranger: ControlPlane;
}

const refusal = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "answered",
    () => "refused",
  );

/** @param withWallet a fresh owner with the wallet `w1`, epoch 1 */
export function custodyContract(withWallet: () => Promise<Held>): void {
  describe("custody", () => {
    it("a rotated envelope takes the place of the one it was made from, and of no other", async () => {
      const { control, envelope } = await withWallet();
      const first = { ...envelope, kekVersion: "v2", wrappedDataKey: "BBBB" };
      const second = { ...envelope, ciphertext: "CCCC" };
      expect(await control.putEnvelope(first, envelope)).toBe(true);
      expect(await control.putEnvelope(second, envelope)).toBe(false);
      expect(await control.envelope("w1")).toEqual(first);
      expect(await control.putEnvelope({ ...second, backedUpAt: 5 }, first)).toBe(true);
      expect(await control.envelope("w1")).toEqual({ ...second, backedUpAt: 5 });
    });

    it("of two rotations at once one is stored, and the other is told", async () => {
      const { control, envelope } = await withWallet();
      const answers = await Promise.all(["BBBB", "CCCC"].map((ciphertext) => control.putEnvelope({ ...envelope, ciphertext }, envelope)));
      expect(answers.filter(Boolean)).toHaveLength(1);
    });

    it("an envelope of another wallet, owner or network, or none at all, is refused", async () => {
      const { control, envelope, stranger } = await withWallet();
      for (const wrong of [
        { ...envelope, walletId: "w2" },
        { ...envelope, owner: "another" },
        { ...envelope, network: "mainnet" as const },
        { ...envelope, nonce: "" },
      ]) {
        expect(await refusal(control.putEnvelope(wrong, envelope))).toBe("refused");
      }
      expect(await refusal(stranger.putEnvelope(envelope, envelope))).toBe("refused");
      expect(await control.envelope("w1")).toEqual(envelope);
    });

    it("invariant 13: a new spender comes with envelope, backend and epoch at once, or not at all", async () => {
      const { control, envelope } = await withWallet();
      const before = await control.security("w1");
      const moved = { ...envelope, kekVersion: "executor/v1", wrappedDataKey: "BBBB" };
      const move = { backend: "spark-wasm" as const, envelope: moved, expected: envelope };
      expect(await control.moveSpender({ ...move, epoch: 3 })).toMatchObject({ moved: false, record: { epoch: 1 } });
      expect(await control.moveSpender({ ...move, epoch: 2, expected: moved })).toMatchObject({ moved: false, record: { epoch: 1 } });
      expect([await control.envelope("w1"), (await control.wallet("w1"))?.backend]).toEqual([envelope, "http-executor"]);
      expect(await control.moveSpender({ ...move, epoch: 2 })).toMatchObject({ moved: true, record: { epoch: 2, backend: "spark-wasm" } });
      expect(await control.moveSpender({ ...move, epoch: 2 })).toMatchObject({ moved: false, record: { epoch: 2 } });
      const after = await control.security("w1");
      expect([after.epoch, after.version > before.version, await control.envelope("w1")]).toEqual([2, true, moved]);
    });

    it("invariant 13: a fence raises the epoch, with a new version, and never lowers it", async () => {
      const { control, stranger } = await withWallet();
      const before = await control.security("w1");
      expect(await control.fenceSpender("w1", 4)).toMatchObject({ epoch: 4 });
      const after = await control.security("w1");
      expect([after.epoch, after.version > before.version]).toEqual([4, true]);
      expect(await control.fenceSpender("w1", 2)).toMatchObject({ epoch: 4 });
      expect(await control.security("w1")).toEqual(after);
      expect(await refusal(stranger.fenceSpender("w1", 9))).toBe("refused");
    });
  });
}
