/** One lnd process on the regtest chain, and the REST connection to it. */
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Btcd } from "./btcd.ts";
import { freePort, type Child, type Children } from "./children.ts";
import { field } from "./lnd-payment.ts";
import { connectLnd, expectOk, type LndRest } from "./lnd-rest.ts";

/** RPC_ACTIVE is enough: on a chain without blocks lnd never gets to SERVER_ACTIVE, for it waits to be in sync. */
const READY = new Set(["RPC_ACTIVE", "SERVER_ACTIVE"]);

export interface LndProcess {
  readonly name: string;
  readonly rpcPort: number;
  readonly peerPort: number;
  readonly tlsCertPath: string;
  /** Where it keeps admin.macaroon and the others that Aperture wants. */
  readonly macaroonDir: string;
  /** Starts it and waits until its RPC server answers. */
  start(): Promise<Child>;
  /** The connection of the last start. */
  rest(): LndRest;
}

export async function lndProcess(name: string, children: Children, executable: string, dir: string, chain: Btcd): Promise<LndProcess> {
  const home = join(dir, name);
  mkdirSync(home);
  const [rpcPort, restPort, peerPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const tlsCertPath = join(home, "tls.cert");
  const macaroonDir = join(home, "data/chain/bitcoin/regtest");
  let rest: LndRest | null = null;
  return {
    name,
    rpcPort,
    peerPort,
    tlsCertPath,
    macaroonDir,
    async start() {
      rest?.close();
      const child = children.start(name, executable, [
        `--lnddir=${home}`,
        `--alias=${name}`,
        "--noseedbackup",
        "--bitcoin.regtest",
        "--bitcoin.node=btcd",
        `--btcd.rpchost=127.0.0.1:${chain.rpcPort}`,
        `--btcd.rpcuser=${chain.user}`,
        `--btcd.rpcpass=${chain.password}`,
        `--btcd.rpccert=${chain.certPath}`,
        `--rpclisten=127.0.0.1:${rpcPort}`,
        `--restlisten=127.0.0.1:${restPort}`,
        `--listen=127.0.0.1:${peerPort}`,
        "--nobootstrap",
        // A wallet of the SSP may pay another one of it: lnd pays itself, over its only channel and back.
        "--allow-circular-route",
        "--bitcoin.defaultchanconfs=1",
        // Waits that suit a network of strangers, shortened for one of two.
        "--trickledelay=50",
        "--gossip.channel-update-interval=1s",
        "--channel-commit-interval=5ms",
        "--db.batch-commit-interval=10ms",
        "--debuglevel=info",
      ]);
      // The file's name exists a moment before its bytes do.
      const macaroonHex = await child.until(
        "macaroon",
        async () => (await readFile(join(macaroonDir, "admin.macaroon"))).toString("hex") || null,
      );
      const connection = connectLnd({ restPort, tlsCertPath, macaroonHex });
      rest = connection;
      await child.until("REST", async () => {
        const state = await connection.call("/v1/state");
        return state.kind === "ok" && READY.has(String(field(state.value, "state")));
      });
      return child;
    },
    rest() {
      if (rest === null) throw new Error(`${name} was not started`);
      return rest;
    },
  };
}

/** Whether it has seen every block that the chain has, and then started the rest of itself: peers and channels. */
export async function synced(lnd: LndRest): Promise<boolean> {
  const [info, state] = await Promise.all([expectOk(lnd.call("/v1/getinfo")), expectOk(lnd.call("/v1/state"))]);
  return field(info, "synced_to_chain") === true && field(state, "state") === "SERVER_ACTIVE";
}
