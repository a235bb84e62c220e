/** The results folder: one file for each environment and place, and the page that follows from all of them. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderAdr } from "./adr.ts";
import { judge } from "./decide.ts";
import { ENVIRONMENTS, PLACES } from "./environments.ts";
import { readPackaging } from "./packaging.ts";
import { readResult, resultFileName, type SpikeResult } from "./result.ts";

/** @throws Error naming the file that cannot be read */
export function readResults(folder: string): readonly SpikeResult[] {
  return ENVIRONMENTS.flatMap((environment) =>
    PLACES.flatMap((place) => {
      const name = resultFileName(environment, place);
      const file = join(folder, name);
      if (!existsSync(file)) return [];
      const read = readResult(readFileSync(file, "utf8"));
      if (!read.ok) throw new Error(`${name}: ${read.fault}`);
      if (read.result.environment !== environment || read.result.place !== place) throw new Error(`${name} holds another run's result`);
      return [read.result];
    }),
  );
}

/** The whole page. @throws Error naming the file that cannot be read */
export function adrFrom(folder: string): string {
  const results = readResults(folder);
  const packaging = join(folder, "packaging.json");
  return renderAdr(
    ENVIRONMENTS.map((environment) => judge(environment, results)),
    existsSync(packaging) ? readPackaging(readFileSync(packaging, "utf8")) : null,
  );
}

/** @returns the file's name */
export function writeResult(folder: string, result: SpikeResult): string {
  mkdirSync(folder, { recursive: true });
  const name = resultFileName(result.environment, result.place);
  writeFileSync(join(folder, name), `${JSON.stringify(result, null, 2)}\n`);
  return name;
}
