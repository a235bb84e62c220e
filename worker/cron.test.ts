import { expect, test } from "vitest";
import { wakeOpenWallets } from "./cron.ts";

/** `owners` by name, each with the wallets that have open rows. What is `mute` never answers; time is up as soon as nothing else happens. */
function world(owners: Readonly<Record<string, readonly string[]>>, broken: readonly string[] = [], mute: readonly string[] = []) {
  const woken: string[] = [];
  const pages: (string | null)[] = [];
  const fail = async (name: string): Promise<void> => {
    if (broken.includes(name)) throw new Error("out of reach");
    if (mute.includes(name)) await new Promise(() => {});
  };
  return {
    woken,
    pages,
    ports: {
      platform: {
        owners: async ({ after, limit }: { readonly after: string | null; readonly limit: number }) => {
          await fail("register");
          pages.push(after);
          return Object.keys(owners)
            .toSorted()
            .filter((name) => after === null || name > after)
            .slice(0, limit);
        },
      },
      control: (owner: string) => ({
        walletsWithOpenRows: async () => {
          await fail(owner);
          return owners[owner] ?? [];
        },
      }),
      wake: async (owner: string, walletId: string) => {
        await fail(walletId);
        woken.push(`${owner}/${walletId}`);
      },
      clock: {
        now: () => 0,
        timer: () => {
          const { promise, resolve } = Promise.withResolvers<void>();
          const handle = setImmediate(resolve);
          return { done: promise, cancel: () => clearImmediate(handle) };
        },
      },
    },
  };
}

test("invariant 4: open wallets of every owner are woken, each once", async () => {
  const { ports, woken } = world({ main: ["w1", "w2"], ada: ["w3"], bob: [], cleo: ["w4"] });
  expect(await wakeOpenWallets(ports)).toEqual({ owners: 4, open: 4, failed: 0 });
  expect(woken.toSorted()).toEqual(["ada/w3", "cleo/w4", "main/w1", "main/w2"]);
});

test("invariant 4: an owner, a wallet or the register that cannot be reached stops nobody else's", async () => {
  const { ports, woken } = world({ main: ["w1"], ada: ["w3", "w5"], bob: ["w6"] }, ["bob", "w3"]);
  expect(await wakeOpenWallets(ports)).toEqual({ owners: 3, open: 3, failed: 2 });
  expect(woken.toSorted()).toEqual(["ada/w5", "main/w1"]);
  const alone = world({ main: ["w1"] }, ["register"]);
  expect(await wakeOpenWallets(alone.ports)).toEqual({ owners: 1, open: 1, failed: 1 });
  expect(alone.woken).toEqual(["main/w1"]);
});

test("invariant 4: an owner, a wallet or the register that never answers stops nobody else's", async () => {
  const { ports, woken } = world({ main: ["w1"], ada: ["w3", "w5"], bob: ["w6"], cleo: ["w7"] }, [], ["main", "bob", "w3"]);
  expect(await wakeOpenWallets(ports)).toEqual({ owners: 4, open: 3, failed: 3 });
  expect(woken.toSorted()).toEqual(["ada/w5", "cleo/w7"]);
  const alone = world({ main: ["w1"] }, [], ["register"]);
  expect(await wakeOpenWallets(alone.ports)).toEqual({ owners: 1, open: 1, failed: 1 });
});

test("the platform's own owner is visited before there is a register, and more owners than one page are all visited", async () => {
  expect(await wakeOpenWallets(world({}).ports)).toEqual({ owners: 1, open: 0, failed: 0 });
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`o${String(index).padStart(4, "0")}`, [`w${index}`]]));
  const { ports, woken, pages } = world(many);
  expect(await wakeOpenWallets(ports)).toEqual({ owners: 1001, open: 1000, failed: 0 });
  expect([new Set(woken).size, pages]).toEqual([1000, [null, "o0499", "o0999"]]);
});
