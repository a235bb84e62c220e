/**
 * The real Aperture 0.5.0 before the sandbox's own upstream, with the same list of services as the simulated gateway. Its keys are
 * lower-cased Go field names and unknown ones are dropped silently: `databasefilename`, not the sample file's `dbfile`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderServices, type Service } from "../services.ts";
import { freePort, listening, type Children } from "./children.ts";
import type { LndProcess } from "./lnd-process.ts";

export interface Aperture {
  readonly url: string;
  /** For its admin API, header `Grpc-Metadata-Macaroon: <hex>`. */
  readonly adminMacaroonPath: string;
  /** How many requests it has answered, of any kind on any path: it logs each when it is done. */
  requests(): Promise<number>;
}

/** proxy.go, `formatPattern`; Aperture's gateway calls itself over gRPC, which is no request of a client's. */
const REQUEST_LINE = /PRXY: \S+ - - "(?!POST \/adminrpc\.)/u;

/** Starts Aperture with `seller`'s invoices. @param upstream host:port of a plain http server */
export async function startAperture(
  children: Children,
  executable: string,
  dir: string,
  { seller, upstream, services }: { readonly seller: LndProcess; readonly upstream: string; readonly services: readonly Service[] },
): Promise<Aperture> {
  const home = join(dir, "aperture");
  mkdirSync(home);
  const port = await freePort();
  const adminMacaroonPath = join(home, "admin.macaroon");
  const config = join(home, "aperture.yaml");
  const quote = (value: string) => JSON.stringify(value);
  const settings = `listenaddr: "127.0.0.1:${port}"
insecure: true
debuglevel: "info"
dbbackend: "sqlite"
sqlite:
  databasefilename: ${quote(join(home, "aperture.db"))}
admin:
  enabled: true
  macaroonpath: ${quote(adminMacaroonPath)}
authenticator:
  network: "regtest"
  lndhost: "127.0.0.1:${seller.rpcPort}"
  tlspath: ${quote(seller.tlsCertPath)}
  macdir: ${quote(seller.macaroonDir)}
`;
  writeFileSync(config, settings + renderServices(services, upstream));
  const child = children.start("aperture", executable, [`--configfile=${config}`, `--basedir=${home}`]);
  const url = `http://127.0.0.1:${port}`;
  // The open port, not /api/admin/health: Aperture's gateway dials itself a moment too early and then backs off for a second.
  await child.until("port", () => listening(port), 20_000);
  return {
    url,
    adminMacaroonPath,
    requests: async () => (await child.log()).split("\n").filter((line) => REQUEST_LINE.test(line)).length,
  };
}
