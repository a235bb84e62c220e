/** Between a Worker and the object: calls and replies delayed or lost, callers that are no longer there for the answer. */
import type { WalletCore } from "../../durable-objects/wallet/core.ts";
import type { World } from "./world.ts";

/**
 * @param heard runs where the object has made its answer, before anything can happen to it
 * @param gone whoever asked may have died: then no answer comes
 */
export function rpc<T>(
  world: World,
  name: string,
  method: (core: WalletCore) => Promise<T>,
  heard: (answer: T) => void = () => {},
  gone: () => boolean = () => false,
): Promise<T> {
  const { scheduler, weather, object } = world;
  return new Promise<T>((resolve, reject) => {
    const back = (label: string, tell: () => void): void =>
      void scheduler.after(weather.travel(), label, () => {
        if (!gone()) tell();
      });
    const lost = (): void => back(`${name} breaks`, () => reject(Object.assign(new Error("Network connection lost"), { retryable: true })));
    if (weather.strikes("lostCall", 25)) return lost();
    scheduler.after(weather.travel(), name, () => {
      const replyLost = weather.strikes("lostReply", 25);
      object.call(
        async (core) => {
          const answer = await method(core);
          heard(answer);
          return answer;
        },
        (answer) => (replyLost ? lost() : back(`${name} answers`, () => resolve(structuredClone(answer)))),
        (error) => back(`${name} reset`, () => reject(error)),
      );
    });
  });
}

/** As a person or a script does it: the same again after an error, three times at most. @returns null when it was in vain */
export async function insist<T>(
  world: World,
  name: string,
  method: (core: WalletCore) => Promise<T>,
  heard: (answer: T) => void = () => {},
): Promise<T | null> {
  for (let tries = 0; tries < 3; tries++) {
    try {
      return await rpc(world, name, method, heard);
    } catch {
      // Lost, or the object was reset: whether it was done is not known, and it is asked for again.
    }
  }
  return null;
}
