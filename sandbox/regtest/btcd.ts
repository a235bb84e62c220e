/** btcd on regtest: a chain of its own without peers, mined on request. */
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePort, listening, type Child, type Children } from "./children.ts";
import { field } from "./lnd-payment.ts";

/** For lnd's flags; the port is on loopback and the chain is worthless. */
export interface Btcd {
  readonly rpcPort: number;
  readonly certPath: string;
  readonly user: string;
  readonly password: string;
  /** Starts it, or starts it again: btcd learns the address it mines for only on its command line. */
  start(miningAddress: string | null): Promise<Child>;
  mine(blocks: number): Promise<void>;
}

export async function btcd(children: Children, executable: string, dir: string): Promise<Btcd> {
  const home = join(dir, "btcd");
  mkdirSync(home);
  const rpcPort = await freePort();
  const certPath = join(home, "rpc.cert");
  const [user, password] = ["regtest", "regtest"];
  const rpc = (method: string, ...params: readonly unknown[]) => callBtcd(rpcPort, certPath, `${user}:${password}`, method, params);
  return {
    rpcPort,
    certPath,
    user,
    password,
    async start(miningAddress) {
      const child = children.start("btcd", executable, [
        "--regtest",
        "--nolisten",
        `--configfile=${join(home, "btcd.conf")}`,
        `--datadir=${join(home, "data")}`,
        `--logdir=${join(home, "logs")}`,
        `--rpclisten=127.0.0.1:${rpcPort}`,
        `--rpcuser=${user}`,
        `--rpcpass=${password}`,
        `--rpccert=${certPath}`,
        `--rpckey=${join(home, "rpc.key")}`,
        "--txindex",
        "--trickleinterval=100ms",
        ...(miningAddress === null ? [] : [`--miningaddr=${miningAddress}`]),
      ]);
      await child.until("RPC", () => listening(rpcPort));
      await child.until("RPC", () => rpc("getblockcount").then(() => true));
      return child;
    },
    async mine(blocks) {
      await rpc("generate", blocks);
    },
  };
}

function callBtcd(port: number, certPath: string, login: string, method: string, params: readonly unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        servername: "localhost",
        ca: readFileSync(certPath),
        method: "POST",
        path: "/",
        auth: login,
        headers: { "content-type": "application/json" },
      },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        answer.once("error", reject);
        answer.once("end", () => {
          try {
            const json: unknown = JSON.parse(text);
            const error = field(json, "error");
            if (error === null) resolve(field(json, "result"));
            else reject(new Error(`btcd ${method}: ${JSON.stringify(error)}`));
          } catch {
            reject(new Error(`btcd ${method}: HTTP ${answer.statusCode}`));
          }
        });
      },
    );
    outgoing.once("error", reject);
    outgoing.end(JSON.stringify({ jsonrpc: "1.0", id: 1, method, params }));
  });
}
