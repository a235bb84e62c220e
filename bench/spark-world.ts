/**
 * The sandbox with its Spark network in a process of its own: half of what a send takes is the operators' arithmetic, and it must neither wait
 * for the client that measures nor hold it up. Asked over Node's own channel; it ends with the process that started it.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import type { SparkNetwork } from "../lightning/spark-network.ts";
import { sats } from "../lightning/msat.ts";
import { startSandbox } from "../sandbox/server.ts";

type Ask =
  | { readonly ask: "invoices"; readonly count: number; readonly amountSats: number }
  | { readonly ask: "mint"; readonly identity: string; readonly leaves: readonly number[] }
  | { readonly ask: "books" };

/** What the network says of itself in the end. */
export interface WorldBooks {
  /** Empty when every sat is where it should be. */
  readonly differences: readonly string[];
  readonly settled: number;
  /** Most settlements of one payment hash. */
  readonly mostSettlements: number;
}

export interface SparkBenchWorld {
  readonly network: SparkNetwork;
  /** BOLT11 of a node outside. */
  invoices(count: number, amountSats: number): Promise<readonly string[]>;
  mint(identity: string, leaves: readonly number[]): Promise<void>;
  books(): Promise<WorldBooks>;
  close(): void;
}

/** @throws Error with one line when it does not start */
export async function startSparkBenchWorld(): Promise<SparkBenchWorld> {
  const child = fork(import.meta.filename, ["--serve"], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const gone = once(child, "exit").then(() => Promise.reject(new Error("the sandbox ended")));
  gone.catch(() => undefined);
  const answer = async (): Promise<unknown> => ((await Promise.race([once(child, "message"), gone])) as readonly unknown[])[0];
  const network = (await answer()) as SparkNetwork;
  // One question at a time: the next answer is its own.
  const ask = (question: Ask): Promise<unknown> => {
    const told = answer();
    child.send(question);
    return told;
  };
  return {
    network,
    invoices: async (count, amountSats) => (await ask({ ask: "invoices", count, amountSats })) as readonly string[],
    mint: async (identity, leaves) => void (await ask({ ask: "mint", identity, leaves })),
    books: async () => (await ask({ ask: "books" })) as WorldBooks,
    close: () => child.disconnect(),
  };
}

async function serve(): Promise<void> {
  const { node, spark } = await startSandbox({ spark: { checks: "full" }, balanceMsat: sats(1_000_000_000) });
  if (spark === null) throw new Error("the sandbox has no Spark network");
  process.once("disconnect", () => process.exit(0));
  process.on("message", (question: Ask) => process.send?.(answerTo(question)));
  process.send?.(spark.networkAt());

  function answerTo(question: Ask): unknown {
    switch (question.ask) {
      case "invoices":
        return Array.from(
          { length: question.count },
          () => node.createInvoice({ amountMsat: sats(question.amountSats), description: "bench" }).bolt11,
        );
      case "mint":
        return spark?.sandbox.mint(question.identity, question.leaves);
      case "books": {
        const { settled, payments } = node.ledger();
        const mostSettlements = Math.max(0, ...payments.map(({ settlements }) => settlements));
        return { differences: spark?.sandbox.check() ?? [], settled, mostSettlements } satisfies WorldBooks;
      }
    }
  }
}

if (process.argv[2] === "--serve") await serve();
