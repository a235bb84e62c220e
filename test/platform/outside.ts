/** The world outside a probe: a server that notes what reaches it, holds back what it is told to hold, and sees connections given up. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Outside {
  readonly url: string;
  /** Paths in the order in which they came. */
  readonly seen: readonly string[];
  /** Resolves once this path has been asked for. */
  arrived(path: string): Promise<void>;
  /** Resolves when the connection of a held request is given up by the other side. */
  givenUp(path: string): Promise<void>;
  /** Answers what is held under this path, and from now on at once. */
  release(path: string): void;
  close(): Promise<void>;
}

/** @param isHeld which paths get no answer until they are released */
export async function startOutside(isHeld: (path: string) => boolean): Promise<Outside> {
  const seen: string[] = [];
  const gone = new Set<string>();
  const held = new Map<string, ServerResponse[]>();
  const released = new Set<string>();
  const watchers = new Set<() => void>();
  const changed = (): void => {
    for (const watcher of watchers) watcher();
  };
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const watcher = (): void => {
        if (!holds()) return;
        watchers.delete(watcher);
        resolve();
      };
      watchers.add(watcher);
      watcher();
    });
  const server = createServer((request, response) => {
    const path = (request.url ?? "").slice(1);
    seen.push(path);
    if (isHeld(path) && !released.has(path)) {
      held.set(path, [...(held.get(path) ?? []), response]);
      response.on("close", () => {
        if (!response.writableFinished) gone.add(path);
        changed();
      });
    } else response.end("ok");
    changed();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    arrived: (path) => until(() => seen.includes(path)),
    givenUp: (path) => until(() => gone.has(path)),
    release: (path) => {
      released.add(path);
      for (const response of held.get(path) ?? []) response.end("ok");
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
